"""Calls that are paid for by tokens and that nobody waits for any more, against a real server: what
is known of their tokens then, and when their connections end."""

import json
from typing import Any

import pytest

from ai_chat.providers import chat
from ai_chat.providers.pieces import Text, Usage
from tests.ai_chat.providers.calls import Asking, calling
from tests.fakes.scripted import Act, Pieces, ScriptedProvider
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("patient")
HELLO = b'data: {"choices": [{"delta": {"content": "Hello"}}]}\n\n'
STOP = b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n'


def usage(written: int) -> bytes:
    counts = {"prompt_tokens": 9, "completion_tokens": written}
    return f"data: {json.dumps({'choices': [], 'usage': counts})}\n\n".encode()


def test_a_call_takes_the_tokens_that_were_paid_for_as_its_limit(
    scripted: ScriptedProvider,
) -> None:
    scripted.answer = Pieces([HELLO, STOP])
    list(calling(scripted, max_tokens=1834, output_tokens=300))
    list(calling(scripted, max_tokens=None, output_tokens=300))
    assert [call["max_tokens"] for call in scripted.calls] == [1834, 300]


def test_what_is_left_in_the_middle_is_closed_with_its_latest_figures(
    scripted: ScriptedProvider,
) -> None:
    scripted.answer = Pieces([HELLO, usage(1), HELLO, usage(2), Act.HANG])
    call = Asking(calling(scripted, max_tokens=100))
    wait_for(lambda: call.pieces.count(Text("Hello")) == 2, "the text")
    wait_for(lambda: call.stream.received.usage == Usage(9, 0, 0, 2), "the figures")
    call.stream.leave()
    wait_for(lambda: scripted.left == 1, "the provider to see that nobody waits")
    assert call.stream.received.usage == Usage(9, 0, 0, 2)


def test_what_is_left_after_its_finish_reason_is_read_on_for_its_figures(
    scripted: ScriptedProvider,
) -> None:
    scripted.answer = Pieces([HELLO, STOP, 0.5, usage(7), b"data: [DONE]\n\n"])
    call = Asking(calling(scripted, max_tokens=100))
    wait_for(lambda: call.stream._reader.ended, "the finish reason")
    call.stream.leave()
    assert call.stream.received.usage == Usage(9, 0, 0, 7)


def test_figures_are_waited_for_only_so_long(
    scripted: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "USAGE_SECONDS", 0.3)
    scripted.answer = Pieces([HELLO, STOP, Act.HANG])
    call = Asking(calling(scripted, max_tokens=100))
    wait_for(lambda: call.stream._reader.ended, "the finish reason")
    call.stream.leave()
    wait_for(lambda: scripted.left == 1, "the provider to see that nobody waits")
    assert call.stream.received.usage is None


def test_hidden_reasoning_is_read_to_its_end_although_nobody_waits(
    scripted: ScriptedProvider,
) -> None:
    """Broken off by the reader: the next piece is not wanted."""
    scripted.answer = Pieces([HELLO, 0.3, HELLO, 0.3, HELLO, STOP, usage(900)])
    stream = calling(scripted, hides_reasoning=True, max_tokens=100)
    for piece in stream:
        assert piece == Text("Hello")
        break
    assert stream.received.usage == Usage(9, 0, 0, 900)
    assert stream.received.deltas == 3


def test_hidden_reasoning_is_read_while_another_thread_waits(scripted: ScriptedProvider) -> None:
    scripted.answer = Pieces([b": ping\n\n", 0.5, HELLO, STOP, usage(900)])
    call = Asking(calling(scripted, hides_reasoning=True, max_tokens=100))
    wait_for(lambda: len(scripted.calls) == 1, "the call")
    call.stream.leave()
    assert call.stream.received.usage == Usage(9, 0, 0, 900)


def test_hidden_reasoning_is_read_only_so_long(
    scripted: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "DRAIN_SECONDS", 0.3)
    drip = [part for _ in range(600) for part in (HELLO, 0.05)]
    scripted.answer = Pieces([*drip, STOP, usage(900)])
    stream = calling(scripted, hides_reasoning=True, max_tokens=10_000)
    for _ in stream:
        break
    wait_for(lambda: scripted.ended == 1, "the connection to end")
    assert stream.received.usage is None
    assert 1 < stream.received.deltas < 600


@pytest.mark.parametrize(
    ("max_tokens", "columns"), [(None, {"hides_reasoning": True}), (100, {})], ids=str
)
def test_others_are_not_read_on(
    scripted: ScriptedProvider, max_tokens: int | None, columns: dict[str, Any]
) -> None:
    scripted.answer = Pieces([HELLO, Act.HANG])
    stream = calling(scripted, max_tokens=max_tokens, **columns)
    for _ in stream:
        break
    wait_for(lambda: scripted.left == 1, "the provider to see that nobody waits")


def test_a_call_that_has_not_begun_is_left_at_once(scripted: ScriptedProvider) -> None:
    stream = calling(scripted, hides_reasoning=True, max_tokens=100)
    stream.leave()
    assert stream.cancelled.is_set()


def test_a_provider_that_ignores_its_limit_is_closed(scripted: ScriptedProvider) -> None:
    scripted.answer = Pieces([*[HELLO] * 200, Act.HANG])
    pieces = list(calling(scripted, max_tokens=100))
    assert pieces.count(Text("Hello")) == 165
    wait_for(lambda: scripted.left == 1, "the provider to see that nobody waits")
