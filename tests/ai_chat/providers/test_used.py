"""What a call is taken to have used, whatever its provider counts, and however it ended."""

import json
from collections.abc import Iterable
from itertools import product
from typing import Any

import pytest

from ai_chat.providers.pieces import End, Finish, Usage
from ai_chat.providers.reading import SPARE_DELTAS, AnswerReader
from ai_chat.providers.received import Received
from ai_chat.providers.usage import Flag, Reading, read_usage
from ai_chat.providers.used import CallBounds, Used, used
from credits.models import Use
from tests.ai_chat.providers.calls import took

Source = Use.Source
BOUNDS = CallBounds(text_bytes=401, input=500, output=100)


def event(**chunk: Any) -> bytes:
    return f"data: {json.dumps(chunk)}\n\n".encode()


def delta(finish_reason: str | None = None, usage: Any = None, **members: Any) -> bytes:
    choice = {"delta": members, "finish_reason": finish_reason}
    return event(choices=[choice], usage=usage)


def said(text: str, usage: Any = None) -> bytes:
    return delta(content=text, usage=usage)


def counts(prompt: Any = 10, completion: Any = 5, **more: Any) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, **more}


def usage(prompt: Any = 10, completion: Any = 5, **more: Any) -> bytes:
    return event(choices=[], usage=counts(prompt, completion, **more))


def received(chunks: Iterable[bytes], *, max_tokens: int | None = None) -> Received:
    reader = AnswerReader(max_tokens=max_tokens)
    for _ in reader.read(chunks):
        pass
    return reader.received


STOP = delta("stop")
FIVE = [said(word) for word in ("one", "two", "three", "four", "five")]
ENDINGS: dict[str, tuple[list[bytes], Used]] = {
    "counts at the end": ([*FIVE, STOP, usage()], took(Usage(10, 0, 0, 5), Source.PROVIDER)),
    "counts in the last chunk of the answer": (
        [*FIVE[:4], delta("stop", counts(), content="five")],
        took(Usage(10, 0, 0, 5), Source.PROVIDER),
    ),
    "a running count": (
        [said(f"word{n}", usage=counts(10, n)) for n in range(1, 6)] + [STOP],
        took(Usage(10, 0, 0, 5), Source.PROVIDER),
    ),
    "fewer tokens than deltas at the end": (
        [*FIVE, STOP, usage(10, 3)],
        took(Usage(10, 0, 0, 3), Source.PROVIDER),
    ),
    "counts before the last of the answer, that hold": (
        [*FIVE[:4], usage(), FIVE[4], STOP],
        took(Usage(10, 0, 0, 5), Source.PROVIDER),
    ),
    "counts of the beginning alone": (
        [usage(10, 1), *FIVE, STOP],
        took(Usage(10, 0, 0, 5), Source.ESTIMATED, frozenset({Flag.OUTDATED})),
    ),
    "zeros of the beginning alone": (
        [said("one", usage=counts(0, 0)), *FIVE, STOP],
        took(Usage(0, 0, 0, 6), Source.ESTIMATED, frozenset({Flag.OUTDATED})),
    ),
    "zeros alone": ([*FIVE, STOP, usage(0, 0)], took(Usage(), Source.PROVIDER)),
    "zeros after counts": (
        [*FIVE, STOP, usage(), usage(0, 0)],
        took(Usage(10, 0, 0, 5), Source.PROVIDER, frozenset({Flag.ZEROED})),
    ),
    "counts twice": ([*FIVE, STOP, usage(), usage()], took(Usage(10, 0, 0, 5), Source.PROVIDER)),
    "more input than the bound": (
        [*FIVE, STOP, usage(501)],
        took(Usage(501, 0, 0, 5), Source.PROVIDER, frozenset({Flag.ABOVE_BOUND})),
    ),
    "more output than was granted": (
        [*FIVE, STOP, usage(10, 101)],
        took(Usage(10, 0, 0, 101), Source.PROVIDER, frozenset({Flag.ABOVE_BOUND})),
    ),
    "another total": (
        [*FIVE, STOP, usage(total_tokens=99)],
        took(Usage(10, 0, 0, 5), Source.PROVIDER, frozenset({Flag.CONTRADICTS_TOTAL})),
    ),
    "no counts": (
        [*FIVE, STOP],
        took(Usage(100, 0, 0, 5), Source.ESTIMATED, frozenset({Flag.MISSING})),
    ),
    "no counts, and long deltas": (
        [said("x" * 79), STOP],
        took(Usage(100, 0, 0, 19), Source.ESTIMATED, frozenset({Flag.MISSING})),
    ),
    "no counts, and characters of several bytes": (
        [said("😀" * 10), STOP],
        took(Usage(100, 0, 0, 10), Source.ESTIMATED, frozenset({Flag.MISSING})),
    ),
    "no counts, and reasoning": (
        [delta(reasoning_content="x" * 40), delta(), delta(content=""), said("y" * 8), STOP],
        took(Usage(100, 0, 0, 12), Source.ESTIMATED, frozenset({Flag.MISSING})),
    ),
    "no counts, and reasoning in tags": (
        [said("<think>"), said("x"), said("</think>"), said("y"), STOP],
        took(Usage(100, 0, 0, 4), Source.ESTIMATED, frozenset({Flag.MISSING})),
    ),
    "no counts, and a call of a tool": (
        [
            delta(tool_calls=[{"index": 0, "function": {"name": "look", "arguments": ""}}]),
            delta(tool_calls=[{"index": 0, "function": {"arguments": "x" * 40}}]),
            STOP,
        ],
        took(Usage(100, 0, 0, 10), Source.ESTIMATED, frozenset({Flag.MISSING})),
    ),
    "no counts, and more than was granted": (
        [said("x" * 4000), STOP],
        took(Usage(100, 0, 0, 100), Source.ESTIMATED, frozenset({Flag.MISSING})),
    ),
    "counts that cannot be true": (
        [*FIVE, STOP, usage(-1)],
        took(
            Usage(100, 0, 0, 5),
            Source.ESTIMATED,
            frozenset({Flag.MISSING, Flag.UNBELIEVABLE}),
        ),
    ),
    "counts that cannot be true after some that can": (
        [*FIVE, STOP, usage(), usage(completion=10**30)],
        took(Usage(10, 0, 0, 5), Source.PROVIDER, frozenset({Flag.UNBELIEVABLE})),
    ),
}


@pytest.mark.parametrize(("chunks", "expected"), ENDINGS.values(), ids=ENDINGS.keys())
def test_what_an_answer_took(chunks: list[bytes], expected: Used) -> None:
    assert used(BOUNDS, received(chunks)) == expected


@pytest.mark.parametrize("chunks", [chunks for chunks, _ in ENDINGS.values()], ids=ENDINGS.keys())
def test_what_an_answer_took_that_was_broken_off(chunks: list[bytes]) -> None:
    """After any number of chunks: never less than what came, never more than is known of it."""
    for length in range(1, len(chunks)):
        reader = AnswerReader()
        answer = reader.read(iter([*chunks[:length], STOP]))
        for _ in answer:
            pass
        came = reader.received
        result = used(BOUNDS, came)
        if result.tokens.source == Source.ESTIMATED:
            assert came.deltas <= result.tokens.output <= max(came.bytes // 4, came.deltas)
        assert result.tokens.output <= 101


def test_a_running_count_is_believed_while_it_counts_what_came() -> None:
    reader = AnswerReader()
    pieces = reader.read(iter([said("word", usage=counts(10, n)) for n in range(1, 6)]))
    for tokens in range(1, 4):
        next(pieces)
        assert used(BOUNDS, reader.received) == took(Usage(10, 0, 0, tokens), Source.PROVIDER)


def test_nothing_is_due_before_the_first_token_or_for_a_failure() -> None:
    nothing = Received()
    assert used(BOUNDS, nothing) == took(Usage(), Source.NONE, {Flag.MISSING})
    failed = used(BOUNDS, received([*FIVE, STOP, usage(-1)]), failed=True)
    assert failed == took(Usage(), Source.NONE, frozenset({Flag.UNBELIEVABLE}))
    counted = received([*FIVE, STOP, usage()])
    assert used(BOUNDS, counted, failed=True) == took(Usage(), Source.NONE)


def test_what_was_asked_is_due_for_a_stop_too_many() -> None:
    due = used(BOUNDS, Received(), input_due=True)
    assert due == took(Usage(input=100), Source.ESTIMATED, {Flag.MISSING})
    small = BOUNDS._replace(input=30)
    assert used(small, Received(), input_due=True).tokens.input == 30


def test_an_answer_is_cut_that_does_not_keep_its_limit() -> None:
    endless = [said("x")] * (100 + SPARE_DELTAS + 10)
    came = received(endless, max_tokens=100)
    assert came.deltas == 100 + SPARE_DELTAS + 1
    expected = frozenset({Flag.MISSING, Flag.ABOVE_LIMIT})
    assert used(BOUNDS, came) == took(Usage(100, 0, 0, 100), Source.ESTIMATED, expected)
    assert received([*endless[: 100 + SPARE_DELTAS], STOP], max_tokens=100).flags == frozenset()


def test_an_answer_that_is_cut_ends_as_one_that_reached_its_length() -> None:
    *_, end = AnswerReader(max_tokens=1).read([said("x")] * (SPARE_DELTAS + 2))
    assert end == End(Finish.LENGTH)


READINGS: list[tuple[dict[str, Any], Usage | None, set[Flag]]] = [
    (counts(None), None, set()),
    (counts(completion=None), None, set()),
    ({"completion_tokens": 5}, None, set()),
    ({"input_tokens": 5}, None, set()),
    (counts(total_tokens=None), Usage(10, 0, 0, 5), set()),
    (counts(total_tokens="15"), Usage(10, 0, 0, 5), {Flag.CONTRADICTS_TOTAL}),
    (counts(1.5), None, {Flag.UNBELIEVABLE}),
    (counts("10"), None, {Flag.UNBELIEVABLE}),
    (counts(True), None, {Flag.UNBELIEVABLE}),
    (counts(10**9 + 1), None, {Flag.UNBELIEVABLE}),
    (counts(10**9), Usage(10**9, 0, 0, 5), set()),
    (counts(prompt_tokens_details=[1]), None, {Flag.UNBELIEVABLE}),
    (counts(prompt_tokens_details={"cached_tokens": 11}), None, {Flag.UNBELIEVABLE}),
    (counts(completion_tokens_details={"reasoning_tokens": 6}), None, {Flag.UNBELIEVABLE}),
    # LiteLLM in 2024: what was written to the cache stood beside the prompt.
    (counts(cache_creation_input_tokens=9474), None, {Flag.UNBELIEVABLE}),
    (
        counts(prompt_tokens_details={"cached_tokens": 6, "cache_write_tokens": 5}),
        None,
        {Flag.UNBELIEVABLE},
    ),
]


@pytest.mark.parametrize(("values", "expected", "flags"), READINGS, ids=repr)
def test_counts_are_read_or_flagged(
    values: dict[str, Any], expected: Usage | None, flags: set[Flag]
) -> None:
    assert read_usage(values) == Reading(expected, frozenset(flags))


NAMES = ["cache_write_tokens", "cache_creation_tokens", "cache_creation_input_tokens"]


@pytest.mark.parametrize(("name", "nested"), [*product(NAMES, [True, False])])
def test_tokens_written_to_a_cache_are_counted_under_each_name(name: str, *, nested: bool) -> None:
    """https://github.com/BerriAI/litellm/issues/11364"""
    place = {"prompt_tokens_details": {"cached_tokens": 4, name: 3}} if nested else {name: 3}
    assert read_usage(counts(**place)).usage == Usage(10, 4 if nested else 0, 3, 5)
