"""What the provider is asked, where it depends on who it is, and what its answer may look like."""

import json
from typing import Any

import pytest
from django.conf import settings

from ai_chat.providers.client import limit_name, usage_options
from ai_chat.providers.text import storable
from credits.models import AIModel, Provider
from credits.reasons import Reason
from tests.ai_chat.api.client import Program
from tests.ai_chat.images.fake import FakePainter


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
    assert limit_name(Provider(base_url=base_url)) == name


def test_halves_of_a_character_are_joined_and_what_cannot_be_kept_goes() -> None:
    tokens = ["a\0b", "\ud83d", "\ude00", "\ud83d", "c", "\0", "d\ude00", "\ud83d"]
    assert (
        "".join(storable(tokens))
        == "ab😀\N{REPLACEMENT CHARACTER}cd\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"
    )


def said(content: str, finish_reason: str | None = None) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": content}, "finish_reason": finish_reason}]}


def streamed(*chunks: Any) -> bytes:
    return b"".join(f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks)


END = {"choices": [{"delta": {}, "finish_reason": "stop"}]}
WHOLE = {
    "figures without choices": streamed(said("Hello"), END, {"usage": {}}),
    "figures with null for choices": streamed(said("Hello"), END, {"choices": None}),
    "a sign of life before it": streamed({"object": "ping"}, said("Hello"), END),
    "an end without delta": streamed(said("Hello"), {"choices": [{"finish_reason": "stop"}]}),
    "an end with null for delta": streamed(
        said("Hello"), {"choices": [{"delta": None, "finish_reason": "stop"}]}
    ),
}


def test_an_answer_that_came_whole_is_delivered_whatever_stands_beside_it(
    odd_studio: Program, painter: FakePainter, subtests: pytest.Subtests
) -> None:
    for name, painter.answer in WHOLE.items():
        with subtests.test(name):
            answer = odd_studio.ask("Hi")
            assert (answer.status_code, answer.json()["text"]) == (200, "Hello"), answer.text


def test_an_answer_is_cut_at_its_bound_however_it_comes(
    odd_studio: Program, painter: FakePainter
) -> None:
    painter.answer = streamed(said("a"), said("b" * settings.ANSWER_MAX_CHARACTERS), END)
    answer = odd_studio.ask("Hi").json()
    assert len(answer["text"]) == settings.ANSWER_MAX_CHARACTERS
    assert answer["creditsCharged"] == 1


def test_a_prompt_that_a_filter_stopped_is_a_refusal(
    odd_studio: Program, painter: FakePainter
) -> None:
    painter.status, painter.answer = 400, {"error": {"code": "content_filter", "message": "No."}}
    answer = odd_studio.ask("Hi").json()
    assert (answer["reason"], answer["refunded"]) == (Reason.REFUSED, 1)


@pytest.mark.parametrize(
    ("provider", "asks"),
    [
        (Provider(base_url="https://api.openai.com/v1"), True),
        (Provider(base_url="http://127.0.0.1:11434/v1"), True),
        (Provider(base_url="https://api.mistral.ai/v1"), False),
        (Provider(base_url="https://eu.example/v1", dialect=Provider.Dialect.MISTRAL), False),
    ],
)
def test_usage_is_asked_for_where_the_server_takes_the_option(
    provider: Provider, asks: bool
) -> None:
    """https://github.com/openai/openai-agents-python/issues/442: Mistral answers 422 to it."""
    expected = {"stream_options": {"include_usage": True}} if asks else {}
    assert usage_options(provider) == expected


def test_an_answer_is_bounded_by_its_model(odd_studio: Program, painter: FakePainter) -> None:
    painter.answer = streamed(said("Hello"), END)
    odd_studio.ask("Hi")
    AIModel.objects.update(output_tokens=300, reasoning_tokens=500)
    odd_studio.ask("Hi")
    limits = [call["max_tokens"] for call in painter.calls]
    assert limits == [settings.ANSWER_MAX_TOKENS, 800]
    assert [call["stream_options"] for call in painter.calls] == [{"include_usage": True}] * 2
