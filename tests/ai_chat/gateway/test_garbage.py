"""A provider that changes its mind about what its members are: nothing can be made of the answer,
so nothing is charged."""

import json
import tracemalloc
from collections.abc import Callable
from itertools import chain
from typing import Any

import pytest

from ai_chat.gateway.message_reading import MessageReader
from ai_chat.gateway.reading import ChunkReader
from ai_chat.models import ApiCall
from ai_chat.providers.errors import ProviderError
from credits.models import TokenPrice, User
from credits.reasons import Reason
from tests.ai_chat.gateway.client import ApiProgram, assert_paid_exactly, latest_call
from tests.ai_chat.providers.test_used import delta, event, usage
from tests.fakes.scripted import Pieces, ScriptedProvider
from tests.live import Site

DONE = b"data: [DONE]\n\n"


@pytest.fixture
def program(
    keep_site: Callable[..., Site], wire: ScriptedProvider, alice: User, price: TokenPrice
) -> ApiProgram:
    return ApiProgram(keep_site(OPENAI_BASE_URL=wire.base_url), alice)


GARBAGE: dict[str, list[dict[str, Any]]] = {
    "text after a number": [{"content": "Hello", "mood": 1}, {"mood": "good"}],
    "a list after a text": [{"content": "Hello", "notes": "a"}, {"notes": ["b"]}],
    "a name that is a list": [
        {"content": "Hello", "function_call": {"name": "f"}},
        {"function_call": {"arguments": 7}},
    ],
}


@pytest.mark.parametrize("deltas", GARBAGE.values(), ids=GARBAGE)
def test_what_cannot_be_put_together_is_the_providers_failure(
    program: ApiProgram, wire: ScriptedProvider, deltas: list[dict[str, Any]]
) -> None:
    chunks = [delta(**members) for members in deltas]
    wire.answer = Pieces([*chunks, delta("stop"), usage(), DONE])
    answer = program.post()
    assert answer.status_code == 502, answer.text
    assert answer.json()["error"]["message"].endswith("Nothing was charged.")
    call = latest_call(program.user)
    assert (call.state, call.failure) == (ApiCall.State.FAILED, Reason.UNREADABLE)
    assert (call.charged, call.is_free) == (0, True)
    assert_paid_exactly(program.user)


def read(reader: Any, *chunks: bytes) -> Any:
    for _ in reader.read([*chunks]):
        pass
    return reader


def said(index: int, finish: str | None = None, **members: Any) -> bytes:
    return event(choices=[{"index": index, "delta": members, "finish_reason": finish}])


def test_one_choice_that_a_filter_ends_does_not_make_the_others_free() -> None:
    texts = [said(0, "stop", content="a"), said(1, "content_filter", content="b")]
    assert not read(ChunkReader(choices=2), *texts, DONE).is_filtered
    assert not read(
        ChunkReader(choices=2), said(0, "stop", content="a"), said(1, "stop", refusal="No"), DONE
    ).is_filtered
    filtered = [said(place, "content_filter", content="b") for place in (0, 1)]
    assert read(ChunkReader(choices=2), *filtered, DONE).is_filtered
    empty = [said(0, "stop"), said(1, "content_filter", content="b")]
    assert read(ChunkReader(choices=2), *empty, DONE).is_filtered


@pytest.mark.parametrize("name", ["images", "audio"])
def test_what_is_no_text_is_an_answer_too(name: str) -> None:
    reader = read(ChunkReader(), said(0, "stop", **{name: [{"a": "b"}]}), DONE)
    assert reader.has_output
    assert reader.received.deltas == 1


def test_the_name_of_an_event_stays_on_its_line() -> None:
    data = json.dumps({"type": "ping\ndata: {}\n\nevent: x"})
    with pytest.raises(ProviderError):
        read(MessageReader(), b"data: " + data.encode() + b"\n\n")


@pytest.mark.parametrize("levels", [200, 5000])
@pytest.mark.parametrize("is_streamed", [True, False])
def test_what_is_nested_too_deeply_is_unreadable(levels: int, is_streamed: bool) -> None:
    """Else it fails where the answer is written, once it is paid."""
    deep = b"[" * levels + b"NaN" + b"]" * levels
    chunk = b'{"choices":[{"index":0,"delta":{"content":"a","more":%b}}]}' % deep
    with pytest.raises(ProviderError) as failed:
        read(ChunkReader(), b"data: " + chunk + b"\n\n" if is_streamed else chunk)
    assert failed.value.reason == Reason.UNREADABLE
    fits = chunk.replace(deep, b"[" * 90 + b"]" * 90)
    read(ChunkReader(), b"data: " + fits + b"\n\n" + DONE if is_streamed else fits)


def test_blanks_before_an_answer_are_not_kept() -> None:
    tracemalloc.start()
    blanks = (b" " * 1_000_000 for _ in range(50))
    reader = ChunkReader()
    for _ in reader.read(chain(blanks, [said(0, "stop", content="a"), DONE])):
        pass
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert reader.has_output
    assert most < 10_000_000
