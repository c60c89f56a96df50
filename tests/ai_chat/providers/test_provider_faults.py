"""What providers do wrong, over HTTP: what comes of the answer, which tokens are to be paid for,
and that the provider's connection ends."""

import gzip
import json
from typing import Any, NamedTuple

import pytest

from ai_chat.providers.errors import MAX_RETRY_SECONDS, ProviderError
from ai_chat.providers.pieces import End, Finish, Text, ToolCall, Usage
from ai_chat.providers.usage import Flag
from ai_chat.providers.used import CallBounds, used
from credits.models import Use
from credits.reasons import Reason
from credits.uses import Tokens
from tests.ai_chat.providers.calls import calling, took
from tests.fakes.scripted import Act, Pieces, ScriptedProvider
from tests.waiting import wait_for

Source = Use.Source
MAX_TOKENS = 100
BOUNDS = CallBounds(text_bytes=40, input=56, output=MAX_TOKENS)


def event(chunk: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"


def said(text: str, index: int = 0, **members: Any) -> bytes:
    return event({"choices": [{"index": index, "delta": {"content": text}}], **members})


def asked_for(*calls: dict[str, Any]) -> bytes:
    return event({"choices": [{"delta": {"tool_calls": list(calls)}}]})


def counts(prompt: Any = 20, completion: Any = 2, **more: Any) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, **more}


def usage(prompt: Any = 20, completion: Any = 2, **more: Any) -> bytes:
    return event({"choices": [], "usage": counts(prompt, completion, **more)})


HELLO, WORLD = said("Hello "), said("wörld")
STOP = event({"choices": [{"delta": {}, "finish_reason": "stop"}]})
DONE = b"data: [DONE]\n\n"
END = STOP + DONE
FUNCTION = {"name": "look", "arguments": '{"at": "sky"}'}


class Case(NamedTuple):
    """What a provider sends, and what is to come of it."""

    answer: Any
    usage: Usage
    flags: set[Flag] = set()
    source: Source = Source.PROVIDER
    text: str = "Hello wörld"
    finish: Finish = Finish.STOP
    headers: dict[str, str] = {}


def estimated(answer: Any, *flags: Flag, **members: Any) -> Case:
    """Two deltas of twelve bytes; the prompt has forty."""
    missing = {Flag.MISSING, *flags}
    return Case(answer, Usage(10, 0, 0, 3), missing, Source.ESTIMATED, **members)


def unbelievable(*values: Any, **more: Any) -> Case:
    body = Pieces([HELLO, WORLD, STOP, usage(*values, **more), DONE])
    return estimated(body, Flag.UNBELIEVABLE)


TOLD = Usage(20, 0, 0, 2)
PACKED = {"Content-Encoding": "gzip"}
ANSWERED: dict[str, Case] = {
    "no usage": estimated(Pieces([HELLO, WORLD, END])),
    "usage in every chunk": Case(
        Pieces([said("Hello ", usage=counts(20, 1)), said("wörld", usage=counts()), END]), TOLD
    ),
    "usage twice": Case(Pieces([HELLO, WORLD, STOP, usage(), usage(), DONE]), TOLD),
    "zero usage at the end": Case(
        Pieces([HELLO, WORLD, STOP, usage(), usage(0, 0), DONE]), TOLD, {Flag.ZEROED}
    ),
    "zero usage alone": Case(Pieces([HELLO, WORLD, STOP, usage(0, 0), DONE]), Usage()),
    "usage above the bound": Case(
        Pieces([HELLO, WORLD, STOP, usage(57, 101), DONE]),
        Usage(57, 0, 0, 101),
        {Flag.ABOVE_BOUND},
    ),
    "more cached than read": unbelievable(prompt_tokens_details={"cached_tokens": 21}),
    "reasoning beside the output": Case(
        Pieces([HELLO, WORLD, STOP, DONE.replace(b"[DONE]", json.dumps({"choices": [], "usage": {
            **counts(), "total_tokens": 72, "completion_tokens_details": {"reasoning_tokens": 50},
        }}).encode()), DONE]),
        Usage(20, 0, 0, 52, 50),
    ),
    "a negative count": unbelievable(-20),
    "a fraction": unbelievable(20.5),
    "a string": unbelievable("20"),
    "10³⁰": unbelievable(10**30),
    "another total": Case(
        Pieces([HELLO, WORLD, STOP, usage(total_tokens=99), DONE]), TOLD, {Flag.CONTRADICTS_TOTAL}
    ),
    "usage before the last of the answer": Case(
        Pieces([HELLO, usage(), WORLD, END]), TOLD
    ),
    "usage of the beginning alone": Case(
        Pieces([usage(20, 0), HELLO, WORLD, END]),
        Usage(20, 0, 0, 3),
        {Flag.OUTDATED},
        Source.ESTIMATED,
    ),
    "no finish reason": Case(Pieces([HELLO, WORLD, usage(), DONE]), TOLD),
    "no mark of the end": Case(Pieces([HELLO, WORLD, STOP, usage()]), TOLD),
    "no mark of the end, and no end": Case(Pieces([HELLO, WORLD, STOP, usage(), Act.HANG]), TOLD),
    "a character in two pieces": Case(
        Pieces([HELLO, WORLD[: WORLD.index(b"\xc3") + 1], 0.05, WORLD[WORLD.index(b"\xc3") + 1 :],
                STOP, usage(), DONE]),
        TOLD,
    ),
    "gzip": Case(gzip.compress(HELLO + WORLD + STOP + usage() + DONE), TOLD, headers=PACKED),
    "two choices interleaved": Case(
        Pieces([HELLO, said("Good ", 1), WORLD, said("night", 1), STOP, usage(20, 4), DONE]),
        Usage(20, 0, 0, 4),
    ),
    "calls of tools without an index": Case(
        Pieces([HELLO, WORLD, asked_for({"id": "1", "function": FUNCTION}), STOP, usage(20, 9)]),
        Usage(20, 0, 0, 9),
    ),
    "a whole call of a tool at once, without usage": Case(
        Pieces([HELLO, WORLD, asked_for({"id": "1", "index": 0, "function": FUNCTION}), END]),
        Usage(10, 0, 0, 6), {Flag.MISSING}, Source.ESTIMATED,
    ),
    "a limit that is ignored": Case(
        Pieces([said("x")] * 300 + [Act.HANG]),
        Usage(10, 0, 0, MAX_TOKENS),
        {Flag.MISSING, Flag.ABOVE_LIMIT},
        Source.ESTIMATED,
        text="x" * (MAX_TOKENS + 65),
        finish=Finish.LENGTH,
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def impatient(settings: Any) -> None:
    settings.FIRST_TOKEN_SECONDS = settings.SILENCE_SECONDS = 2


@pytest.mark.parametrize("case", ANSWERED.values(), ids=ANSWERED.keys())
def test_an_answer_that_is_delivered(scripted: ScriptedProvider, case: Case) -> None:
    scripted.answer, scripted.headers = case.answer, case.headers
    stream = calling(scripted, max_tokens=MAX_TOKENS)
    pieces = list(stream)
    assert "".join(piece.text for piece in pieces if isinstance(piece, Text)) == case.text
    assert [piece.finish for piece in pieces if isinstance(piece, End)] == [case.finish]
    result = used(BOUNDS, stream.received)
    assert result == took(case.usage, case.source, frozenset(case.flags))
    if Act.HANG in (case.answer if isinstance(case.answer, Pieces) else ()):
        wait_for(lambda: scripted.left == 1, "the provider to see that nobody waits")


def test_calls_of_tools_are_numbered_whatever_their_index(scripted: ScriptedProvider) -> None:
    scripted.answer = ANSWERED["calls of tools without an index"].answer
    pieces = list(calling(scripted, max_tokens=MAX_TOKENS))
    assert ToolCall(0, "1", "look", '{"at": "sky"}') in pieces


class Failure(NamedTuple):
    """What a provider sends, and the reason for which it comes to nothing."""

    reason: Reason
    answer: Any
    status: int = 200
    headers: dict[str, str] = {}


BODY = HELLO + WORLD
ERROR = {"error": {"message": "It broke.", "code": "server_error"}}
LATER = {"Retry-After": "3600"}
FAILED: dict[str, Failure] = {
    "no finish reason and no mark of the end": Failure(Reason.CUT_OFF, Pieces([HELLO, WORLD])),
    "cut in a character": Failure(
        Reason.CUT_OFF, Pieces([BODY[: BODY.index(b"\xc3") + 1], Act.CLOSE])
    ),
    "cut in the JSON": Failure(Reason.CUT_OFF, Pieces([HELLO, WORLD[:20], Act.RESET])),
    "ended in the JSON": Failure(Reason.CUT_OFF, Pieces([HELLO, WORLD[:20]])),
    "half a JSON as an event": Failure(Reason.UNREADABLE, Pieces([HELLO, WORLD[:20] + b"\n\n"])),
    "cut in an event": Failure(Reason.CUT_OFF, Pieces([HELLO, WORLD[:-1], Act.CLOSE])),
    "an error in the stream": Failure(Reason.PROVIDER_ERROR, Pieces([HELLO, event(ERROR)])),
    "usage, then an error": Failure(Reason.PROVIDER_ERROR, Pieces([HELLO, usage(), event(ERROR)])),
    "an error in a body of status 200": Failure(Reason.PROVIDER_ERROR, ERROR),
    "429": Failure(Reason.BUSY, ERROR, 429, LATER),
    "401": Failure(Reason.ACCESS, ERROR, 401),
    "a redirect": Failure(Reason.REDIRECTED, {}, 307, {"Location": "/v1/elsewhere"}),
    "gzip that is none": Failure(Reason.UNREADABLE, HELLO, headers=PACKED),
    "a line of 10 MB": Failure(
        Reason.UNREADABLE, Pieces([HELLO, said("x" * 10_000_000), Act.HANG])
    ),
    "silence before the first token": Failure(Reason.TIMEOUT, Pieces([b": ping\n\n", Act.HANG])),
    "silence in the middle": Failure(Reason.TIMEOUT, Pieces([HELLO, Act.HANG])),
}


@pytest.mark.parametrize("failure", FAILED.values(), ids=FAILED.keys())
def test_an_answer_that_fails(scripted: ScriptedProvider, failure: Failure) -> None:
    scripted.answer, scripted.status = failure.answer, failure.status
    scripted.headers = failure.headers
    error = fail(scripted, failure.reason)
    assert error.retry_seconds == (MAX_RETRY_SECONDS if failure.headers == LATER else None)


def fail(scripted: ScriptedProvider, reason: Reason) -> ProviderError:
    """Calls, and looks that it fails for this reason, that nothing is to be paid for, and that no
    connection stays but one that can be used again."""
    stream = calling(scripted, max_tokens=MAX_TOKENS)
    with pytest.raises(ProviderError) as raised:
        list(stream)
    assert raised.value.reason == reason
    assert len(scripted.calls) == 1
    result = used(BOUNDS, stream.received, failed=True)
    assert result.tokens == Tokens(*Usage(), Source.NONE)
    scripted.answer, scripted.status, scripted.headers = Pieces([HELLO, END]), 200, {}
    scripted.silent = False
    assert Text("Hello ") in list(calling(scripted))
    wait_for(lambda: scripted.connections - scripted.ended <= 1, "the connection to end")
    return raised.value


def test_silence_before_the_headers_fails(scripted: ScriptedProvider) -> None:
    scripted.silent = True
    fail(scripted, Reason.TIMEOUT)
    assert scripted.left == 1


def test_an_answer_that_drips_ends_at_its_deadline(scripted: ScriptedProvider) -> None:
    scripted.answer = Pieces([part for _ in range(100) for part in (HELLO, 0.1)])
    stream = calling(scripted, max_tokens=MAX_TOKENS)
    stream.end_within(0.5)
    with pytest.raises(ProviderError) as raised:
        list(stream)
    assert raised.value.reason == Reason.TIMEOUT
    assert stream.received.deltas > 1
    assert used(BOUNDS, stream.received).tokens.output == stream.received.bytes // 4
    wait_for(lambda: scripted.ended == 1, "the connection to end")
