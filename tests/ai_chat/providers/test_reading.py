"""From the bytes of an answer to its pieces: what providers send, and what it comes to, wherever
the connection cuts it."""

import json
from collections.abc import Callable, Iterator
from itertools import groupby
from operator import add
from typing import Any

import httpx2
import pytest

from ai_chat.providers.errors import ProviderError
from ai_chat.providers.pieces import (
    Alive,
    End,
    Finish,
    Piece,
    Reasoning,
    Text,
    ToolCall,
    Usage,
)
from ai_chat.providers.reading import read_answer
from credits.reasons import Reason

DONE = b"data: [DONE]\n\n"
STOP = Finish.STOP


def chunk(finish_reason: Any = None, **delta: Any) -> bytes:
    return event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]})


def event(data: Any, name: str = "") -> bytes:
    named = f"event: {name}\n" if name else ""
    return f"{named}data: {json.dumps(data)}\n\n".encode()


def said(*texts: str) -> bytes:
    return b"".join(chunk(content=text) for text in texts)


def answer(stream: bytes | list[bytes], **options: Any) -> list[Piece]:
    """The pieces without signs of life, texts of one kind in a row as one."""
    chunks = [stream] if isinstance(stream, bytes) else stream
    pieces = [piece for piece in read_answer(chunks, **options) if piece != Alive()]
    joined: list[Piece] = []
    for kind, group in groupby(pieces, key=type):
        parts: list[Any] = list(group)
        text = kind in {Text, Reasoning}
        joined += [kind("".join(part.text for part in parts))] if text else parts
    return joined


def failure(chunks: Any, **options: Any) -> tuple[list[Piece], Reason, str]:
    """What came before the failure, its reason and its code."""
    pieces: list[Piece] = []
    try:
        for piece in read_answer(chunks, **options):
            pieces += [piece] if piece != Alive() else []
    except ProviderError as error:
        return pieces, error.reason, error.code
    raise AssertionError(f"It ended well: {pieces}")


ENDS: dict[str, tuple[bytes, list[Piece]]] = {
    "stop": (said("Hello") + chunk("stop"), [Text("Hello"), End(STOP)]),
    "upper case": (said("Hello") + chunk("STOP"), [Text("Hello"), End(STOP)]),
    "length": (said("Hel") + chunk("length"), [Text("Hel"), End(Finish.LENGTH)]),
    "with the last text": (chunk("stop", content="Hello"), [Text("Hello"), End(STOP)]),
    "length before any text": (
        chunk(reasoning="Hm.") + chunk("length"),
        [Reasoning("Hm."), End(Finish.LENGTH)],
    ),
    "the mark after two blanks": (said("Hello") + b"data:  [DONE]\n\n", [Text("Hello"), End(STOP)]),
    "the mark alone": (said("Hello") + DONE, [Text("Hello"), End(STOP)]),
    "nothing but a reason": (chunk("stop"), [End(STOP)]),
    "a reason with every chunk": (
        chunk("stop", content="Hel") + chunk("stop", content="lo") + chunk("length"),
        [Text("Hello"), End(Finish.LENGTH)],
    ),
    "an error after it": (
        said("Hello") + chunk("stop") + event({"error": "x"}, "error") + b"data: {\n\n",
        [Text("Hello"), End(STOP)],
    ),
    "another reason after it": (
        said("Hello") + chunk("stop") + chunk("content_filter"),
        [Text("Hello"), End(STOP)],
    ),
    "a byte order mark": (
        b"\xef\xbb\xbf" + said("The answer is NOT ", "safe.") + chunk("stop"),
        [Text("The answer is NOT safe."), End(STOP)],
    ),
    "signs of life": (
        b": ping\n\ndata: \n\n" + event({"type": "ping"}, "ping") + b"event: ping\ndata: now\n\n"
        + event({"choices": []}) + event({"choices": None}) + said("Hello") + chunk("stop"),
        [Text("Hello"), End(STOP)],
    ),
    "two choices": (
        event({"choices": [{"index": 1, "delta": {"content": "B1"}, "finish_reason": "error"}]})
        + said("A1")
        + event({"choices": [{"index": 1, "delta": {"content": "B"}}, {"delta": {"content": "!"}}]})
        + event({"choices": [{"delta": {}, "finish_reason": "stop"}]}),
        [Text("A1!"), End(STOP)],
    ),
    "a message instead of deltas": (
        event({"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}),
        [Text("Hello"), End(STOP)],
    ),
    "a message beside deltas": (
        event({"choices": [{"delta": {"content": "Hello"}, "message": {"content": "Hello"}}]})
        + event({"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}),
        [Text("Hello"), End(STOP)],
    ),
    "one JSON object": (
        b'\n {"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}',
        [Text("Hello"), End(STOP)],
    ),
    "one JSON object with usage": (
        b'{"usage":{"prompt_tokens":3,"completion_tokens":2},"choices":[{"message":{"content":"H"}}]}',
        [Text("H"), End(STOP), Usage(3, 0, 0, 2, 0)],
    ),
    "one JSON object without a reason": (
        b'{"choices": [{"message": {"content": "Hello", "reasoning_content": "Hm."}}]}',
        [Reasoning("Hm."), Text("Hello"), End(STOP)],
    ),
    "no character is lost": (
        said("a\0b \ud83d", "\ude00 \ud83dc") + chunk("stop"),
        [Text("ab 😀 \ufffdc"), End(STOP)],
    ),
    "nor in reasoning": (
        chunk(reasoning="a\0\ud83d") + chunk(reasoning="\ude00\ud800") + chunk("stop"),
        [Reasoning("a😀\ufffd"), End(STOP)],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("stream", "pieces"), ENDS.values(), ids=ENDS.keys())
def test_what_ends_well_is_the_same_wherever_it_is_cut(stream: bytes, pieces: list[Piece]) -> None:
    assert answer(stream) == pieces
    assert answer([bytes([byte]) for byte in stream]) == pieces
    for cut in range(len(stream)):
        assert answer([stream[:cut], stream[cut:]]) == pieces


FAILS: dict[str, tuple[bytes, Reason, str]] = {
    **{
        f"ended by {word}": (said("Half") + chunk(word), Reason.UNKNOWN_END, word)
        for word in ("error", "abort", "timeout", "insufficient_system_resource", "tool_calls")
    },
    **{
        f"ended by {word}": (said("Half") + chunk(word), Reason.REFUSED, code)
        for word, code in {
            "SAFETY": "SAFETY",
            "PROHIBITED_CONTENT": "PROHIBITED_CONTENT",
            "content_filter: RECITATION": "content_filter:RECITATION",
            "refusal": "refusal",
            "guardrail_intervened": "guardrail_intervened",
        }.items()
    },
    "ended by what is no word": (said("Half") + chunk(["stop"]), Reason.UNKNOWN_END, "stop"),
    "a code of any length": (chunk("<é>" + "x" * 99), Reason.UNKNOWN_END, "x" * 60),
    "no end": (said("Half"), Reason.CUT_OFF, "no_finish_reason"),
    "no body": (b"", Reason.EMPTY_ANSWER, "no_content"),
    "blanks": (b"\r\n \n", Reason.EMPTY_ANSWER, "no_content"),
    "the mark alone": (DONE, Reason.EMPTY_ANSWER, "no_content"),
    "an empty delta and the mark": (chunk(content="") + DONE, Reason.EMPTY_ANSWER, "no_content"),
    "HTML": (b"\n<html>Sign in</html>", Reason.UNREADABLE, "html"),
    "JSON without choices": (b'{"id": 1}', Reason.UNREADABLE, "no_choices"),
    "no JSON": (said("Half") + b"data: {\n\n", Reason.UNREADABLE, "JSONDecodeError"),
    "JSON that is no object": (event(7), Reason.UNREADABLE, "AttributeError"),
    "content that is none": (chunk(content={"a": 1}), Reason.UNREADABLE, "content"),
    "a number as content": (chunk(content=7), Reason.UNREADABLE, "content"),
    "nested too deeply": (b"data: " + b"[" * 100_000, Reason.CUT_OFF, "no_finish_reason"),
    "a whole chunk nested too deeply": (
        b'data: {"choices": ' + b"[" * 100_000 + b"\n\n", Reason.UNREADABLE, "RecursionError",
    ),
    "content nested too deeply": (
        b'data: {"choices": [{"delta": {"content": ' + b"[" * 3000 + b'"x"' + b"]" * 3000
        + b"}}]}\n\n", Reason.UNREADABLE, "RecursionError",
    ),
    "an error with 200": (
        b'{"error": {"code": "model_not_found"}}', Reason.UNKNOWN_MODEL, "model_not_found",
    ),
    "an error in a list": (
        b'[{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}]',
        Reason.BUSY, "RESOURCE_EXHAUSTED",
    ),
    "an error in words": (said("Half") + event({"error": "x"}), Reason.PROVIDER_ERROR, ""),
    "an error event": (
        event({"message": "x", "code": "overloaded"}, "error") + chunk("stop") + DONE,
        Reason.BUSY, "overloaded",
    ),
    "an error event in words": (
        b"event: error\ndata: it broke\n\n" + said("Hello") + chunk("stop"),
        Reason.PROVIDER_ERROR, "",
    ),
    "a chunk that is an error": (
        event({"object": "error", "code": 400, "message": "maximum context length is 4096 tokens"}),
        Reason.CONTEXT_TOO_LONG, "400",
    ),
    "an error of the choice": (
        event({"choices": [{"delta": {}, "error": {"code": 502}}]}), Reason.PROVIDER_ERROR, "502",
    ),
    "a refusal": (chunk(refusal="I can"), Reason.REFUSED, "refusal"),
    "a part that refuses": (
        chunk(content=[{"type": "refusal", "refusal": "No."}]), Reason.REFUSED, "refusal",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("stream", "reason", "code"), FAILS.values(), ids=FAILS.keys())
def test_what_does_not_end_well_has_a_reason(stream: bytes, reason: Reason, code: str) -> None:
    assert failure([stream])[1:] == (reason, code)
    pieces = [stream[start : start + 7] for start in range(0, len(stream), 7)]
    assert failure(pieces)[1:] == (reason, code)


def test_the_text_before_a_failure_is_there() -> None:
    assert failure([said("Hel", "lo")])[0] == [Text("Hel"), Text("lo")]
    assert failure([said("<thi")])[0] == []  # Half a tag is no text.


def interrupted(stream: bytes, error: Exception) -> Iterator[bytes]:
    yield stream
    raise error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (httpx2.ReadError("reset"), Reason.CUT_OFF),
        (httpx2.RemoteProtocolError("closed"), Reason.CUT_OFF),
        (ConnectionResetError(), Reason.CUT_OFF),
        (httpx2.ReadTimeout("slow"), Reason.TIMEOUT),
        (httpx2.DecodingError("gzip"), Reason.UNREADABLE),
    ],
)
def test_a_connection_that_breaks_counts_until_the_finish_reason(
    error: Exception, reason: Reason
) -> None:
    pieces, failed, _ = failure(interrupted(said("Half"), error))
    assert (pieces, failed) == ([Text("Half")], reason)
    ended = said("Hello") + chunk("stop")
    assert list(read_answer(interrupted(ended, error)))[-1] == End(STOP)


def test_nothing_is_read_after_the_mark_of_the_end() -> None:
    def chunks() -> Iterator[bytes]:
        yield said("Hello") + chunk("stop") + DONE
        pytest.fail("The answer was whole, and more was read.")

    assert list(read_answer(chunks())) == [Text("Hello"), Alive(), End(STOP)]


def test_every_sign_of_life_is_one() -> None:
    stream = b": ping\n\ndata: \n\n" + chunk(role="assistant") + chunk("stop")
    assert list(read_answer([stream])) == [*[Alive()] * 4, End(STOP)]


PARTS: dict[str, tuple[Any, list[Piece]]] = {
    "strings": (["Hel", "lo"], [Text("Hello")]),
    "a text part": ([{"type": "text", "text": "Hello"}], [Text("Hello")]),
    "one part": ({"type": "text", "text": "Hello"}, [Text("Hello")]),
    "thinking and text": (
        [
            {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
            {"type": "text", "text": "Hello"},
            {"type": "reference", "reference_ids": [1]},
        ],
        [Reasoning("Hm."), Text("Hello")],
    ),
    "reasoning": (
        [{"type": "reasoning", "text": "Hm."}, "Hello"], [Reasoning("Hm."), Text("Hello")],
    ),
    "nothing": ([], []),
}  # fmt: skip


@pytest.mark.parametrize(("content", "pieces"), PARTS.values(), ids=PARTS.keys())
def test_typed_parts_are_text_and_reasoning(content: Any, pieces: list[Piece]) -> None:
    assert answer(chunk(content=content) + chunk("stop")) == [*pieces, End(STOP)]


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning_content": "Hm."},
        {"reasoning": "Hm."},
        {"reasoning": "Hm.", "reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]},
        {"reasoning_details": [{"type": "reasoning.summary", "summary": "Hm."}]},
        {"reasoning_content": "Hm.", "reasoning": "Hm.", "content": None},
    ],
)
def test_reasoning_is_taken_once_wherever_it_stands(delta: dict[str, Any]) -> None:
    stream = chunk(**delta) + said("Hello") + chunk("stop")
    assert answer(stream) == [Reasoning("Hm."), Text("Hello"), End(STOP)]


TAGS: dict[str, tuple[str, list[Piece]]] = {
    "think": ("<think>a b c</think>Hello", [Reasoning("a b c"), Text("Hello")]),
    "thinking": (" \n<thinking>\na</thinking>\n\nHello", [Reasoning("a"), Text("Hello")]),
    "thought": ("<thought>a < b</thought>Hello", [Reasoning("a < b"), Text("Hello")]),
    "a namespace": ("<seed:think>a</seed:think>Hello", [Reasoning("a"), Text("Hello")]),
    "tokens": (
        "<|START_THINKING|>a<|END_THINKING|>Hello",
        [Reasoning("a"), Text("Hello")],
    ),
    "brackets": ("[THINK]a[/THINK]Hello", [Reasoning("a"), Text("Hello")]),
    "without an end": ("<think>a</thi", [Reasoning("a</thi")]),
    "with nothing in it": ("<think>\n\n</think>\n\nHello", [Text("Hello")]),
    "alone": ("<think>a</think>", [Reasoning("a")]),
    "twice": ("<think>a</think>\n<think>b</think> c", [Reasoning("ab"), Text("c")]),
    "later": ("Use <think>a</think>", [Text("Use <think>a</think>")]),
    "after the reasoning": ("<think>a</think>b <think>", [Reasoning("a"), Text("b <think>")]),
    "another tag": ("<thinner>", [Text("<thinner>")]),
    "the beginning of one": ("<thin", [Text("<thin")]),
    "blanks": ("  Hello", [Text("  Hello")]),
    "many blanks": (" " * 1001 + "<think>", [Text(" " * 1001 + "<think>")]),
}


@pytest.mark.parametrize(("text", "pieces"), TAGS.values(), ids=TAGS.keys())
def test_reasoning_in_tags_is_parted_from_the_answer(text: str, pieces: list[Piece]) -> None:
    whole = [*pieces, End(STOP)]
    assert answer(said(text) + chunk("stop")) == whole
    assert answer(said(*text) + chunk("stop")) == whole
    for cut in range(min(len(text), 50)):
        assert answer(said(text[:cut], text[cut:]) + chunk("stop")) == whole


def calls(*told: dict[str, Any]) -> bytes:
    return b"".join(chunk(tool_calls=[call]) for call in told) + chunk("tool_calls")


def function(name: str = "", arguments: Any = "", **more: Any) -> dict[str, Any]:
    named = {"name": name} if name else {}
    return {"function": {**named, "arguments": arguments}, **more}


CALLS = {
    "in pieces": [
        function("a", index=0, id="1"), function(arguments='{"x"', index=0),
        function(arguments=": 1}", index=0), function("b", "{}", index=1, id="2"),
    ],
    "without an index": [
        function("a", id="1"), function(arguments='{"x"'), function(arguments=": 1}"),
        function("b", "{}", id="2"),
    ],
    "the same index for all": [
        function("a", '{"x": 1}', index=0, id="1"), function("b", "{}", index=0, id="2"),
    ],
    "arguments as an object": [
        function("a", {"x": 1}, id="1"), function("b", "{}", id="2"),
    ],
    "an id with every piece": [
        function("a", '{"x"', index=0, id="1"), function(arguments=": 1}", index=0, id="1"),
        function("b", "{}", index=1, id="2"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("told", CALLS.values(), ids=CALLS.keys())
def test_calls_of_tools_are_numbered_however_they_come(told: list[dict[str, Any]]) -> None:
    pieces = answer(calls(*told), tools_offered=True)
    assert pieces.pop() == End(Finish.TOOL_CALLS)
    parts = [piece for piece in pieces if isinstance(piece, ToolCall)]
    whole: dict[int, list[str]] = {}
    for position, *texts in parts:
        known = whole.setdefault(position, ["", "", ""])
        # An id may come with every piece.
        whole[position] = [texts[0] or known[0], *map(add, known[1:], texts[1:])]
    assert whole == {0: ["1", "a", '{"x": 1}'], 1: ["2", "b", "{}"]}


def test_a_stop_after_a_call_of_a_tool_asks_for_the_tool() -> None:
    stream = chunk(tool_calls=[function("a", "{}", id="1")]) + chunk("stop")
    assert answer(stream, tools_offered=True)[-1] == End(Finish.TOOL_CALLS)
    assert answer(stream)[-1] == End(STOP)


def usage(prompt: Any = 10, completion: Any = 5, **more: Any) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, **more}


def reasoned(tokens: Any) -> dict[str, Any]:
    return {"completion_tokens_details": {"reasoning_tokens": tokens}}


USAGE: dict[str, tuple[list[Any], Usage | None]] = {
    "none": ([], None),
    "null": ([None], None),
    "plain": ([usage()], Usage(10, 0, 0, 5, 0)),
    "details": (
        [usage(prompt_tokens_details={"cached_tokens": 4}, **reasoned(3), total_tokens=15)],
        Usage(10, 4, 0, 5, 3),
    ),
    "details of null": ([usage(prompt_tokens_details=None, completion_tokens_details=None)],
                        Usage(10, 0, 0, 5, 0)),
    "DeepSeek's cache": ([usage(prompt_cache_hit_tokens=4)], Usage(10, 4, 0, 5, 0)),
    "reasoning beside the output": ([usage(**reasoned(7), total_tokens=22)],
                                    Usage(10, 0, 0, 12, 7)),
    "Anthropic's names": (
        [{"input_tokens": 2, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 3,
          "output_tokens": 4}], Usage(10, 5, 3, 4, 0),
    ),
    "the last counts": ([usage(10, 1), usage(10, 2), usage(10, 5)], Usage(10, 0, 0, 5, 0)),
    "zeros do not take back": ([usage(), usage(0, 0)], Usage(10, 0, 0, 5, 0)),
    "zeros alone": ([usage(0, 0)], Usage(0, 0, 0, 0, 0)),
    "an incomplete one": ([usage(), {"completion_tokens": 9}], Usage(10, 0, 0, 5, 0)),
    "a total that contradicts": ([usage(total_tokens=99)], Usage(10, 0, 0, 5, 0)),
    "negative": ([usage(-1)], None),
    "a fraction": ([usage(1.5)], None),
    "a string": ([usage("10")], None),
    "a truth": ([usage(True)], None),
    "huge": ([usage(10**30)], None),
    "more cached than read": ([usage(prompt_tokens_details={"cached_tokens": 11})], None),
    "more reasoning than output": ([usage(**reasoned(6))], None),
    "no object": ([7], None),
    "details that are none": ([usage(prompt_tokens_details=[1])], None),
}  # fmt: skip


@pytest.mark.parametrize(("told", "expected"), USAGE.values(), ids=USAGE.keys())
def test_usage_is_the_last_that_can_be_true(told: list[Any], expected: Usage | None) -> None:
    def places() -> Iterator[Callable[[Any], dict[str, Any]]]:
        yield lambda each: {"choices": [], "usage": each}
        yield lambda each: {"x_groq": {"usage": each}}
        yield lambda each: {"choices": [{"delta": {}, "usage": each}]}

    for place in places():
        stream = said("Hello") + chunk("stop") + b"".join(event(place(each)) for each in told)
        pieces = answer(stream)
        assert pieces[:2] == [Text("Hello"), End(STOP)]
        assert pieces[2:] == ([expected] if expected else [])
