"""What the provider is asked, where it depends on who it is."""

import pytest

from ai_chat.provider import limit_name, storable


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


def test_halves_of_a_character_are_joined_and_what_cannot_be_kept_goes() -> None:
    tokens = ["a\0b", "\ud83d", "\ude00", "\ud83d", "c", "\0", "d\ude00", "\ud83d"]
    assert (
        "".join(storable(tokens))
        == "ab😀\N{REPLACEMENT CHARACTER}cd\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"
    )
