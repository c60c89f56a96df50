"""What the provider is asked, where it depends on who it is."""

import pytest

from ai_chat.provider import limit_name


@pytest.mark.parametrize(
    ("base_url", "name"),
    [
        ("https://api.openai.com/v1", "max_completion_tokens"),
        ("https://eu.api.openai.com/v1", "max_completion_tokens"),
        ("https://openrouter.ai/api/v1", "max_tokens"),
        ("http://127.0.0.1:11434/v1", "max_tokens"),
        ("https://notopenai.com.example/v1", "max_tokens"),
    ],
)
def test_the_bound_of_an_answer_has_the_name_that_its_server_knows(
    base_url: str, name: str
) -> None:
    assert limit_name(base_url) == name
