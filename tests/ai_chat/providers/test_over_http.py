"""A sample of what providers send, through the running site: answer, reason and bill."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from ai_chat.models import ProviderFailure, Turn
from ai_chat.providers.pieces import Finish
from credits.models import AIModel, Provider, User
from credits.reasons import Reason
from tests.ai_chat.api.client import Program
from tests.ai_chat.images.fake import FakePainter
from tests.ai_chat.providers.streams import Stream, load_streams
from tests.ai_chat.turns import text_model
from tests.fakes.provider import FakeProvider
from tests.fakes.scripted import Act, Pieces
from tests.live import Site
from tests.waiting import wait_for

DONE = b"data: [DONE]\n\n"


def delta(finish_reason: str | None = None, **members: Any) -> bytes:
    choice = {"delta": members, "finish_reason": finish_reason}
    return f"data: {json.dumps({'choices': [choice]})}\n\n".encode()


def choice_error(finish_reason: str) -> bytes:
    choice = {"delta": {}, "finish_reason": finish_reason, "error": {"code": 503}}
    return f"data: {json.dumps({'choices': [choice]})}\n\n".encode()


def said(text: str) -> bytes:
    return delta(content=text)


STOP = delta("stop")
ERROR = b'event: error\ndata: {"message": "It broke."}\n\n'
WHOLE = b'{"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}'
PARTS = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
         {"type": "text", "text": "Hello"}]  # fmt: skip
CHARGED: dict[str, tuple[Any, str]] = {
    "the mark of the end without a reason": (said("Hello") + DONE, "Hello"),
    "one JSON object instead of a stream": (WHOLE, "Hello"),
    "a byte order mark": (b"\xef\xbb\xbf" + said("not ") + said("safe") + STOP, "not safe"),
    "signs of life": (b": ping\n\ndata: \n\n" + said("Hello") + STOP, "Hello"),
    "typed parts": (delta(content=PARTS) + STOP, "Hello"),
    "reasoning": (delta(reasoning_content="Hm.") + said("Hello") + STOP, "Hello"),
    "reasoning in tags": (said("<th") + said("ink>a b c</think>Hello") + STOP, "Hello"),
    "a reset after the finish reason": (Pieces([said("Hello"), STOP, Act.RESET]), "Hello"),
    "silence after the finish reason": (Pieces([said("Hello"), STOP, Act.HANG]), "Hello"),
    "silence after one JSON object": (Pieces([WHOLE[:30], WHOLE[30:], Act.HANG]), "Hello"),
    "another choice": (
        b'data: {"choices": [{"index": 1, "delta": {"content": "B"}}]}\n\n' + said("A") + STOP, "A",
    ),
}  # fmt: skip


def test_what_ends_well_is_delivered_and_charged(
    odd_studio: Program, painter: FakePainter, subtests: pytest.Subtests
) -> None:
    for name, (body, text) in CHARGED.items():
        with subtests.test(name):
            painter.answer = body
            before = odd_studio.balance
            answer = odd_studio.ask("Hi")
            assert (answer.status_code, answer.json()["text"]) == (200, text), answer.text
            assert (before, odd_studio.balance) == (before, before - 1)


def test_silence_after_a_reason_with_every_chunk_ends_the_answer(
    keep_site: Callable[..., Site], painter: FakePainter, alice: User
) -> None:
    site = keep_site(OPENAI_BASE_URL=painter.base_url, FIRST_TOKEN_SECONDS="1", SILENCE_SECONDS="1")
    program = Program(site, alice)
    chunks = [delta("stop", content="Hel"), delta("stop", content="lo")]
    painter.answer = Pieces([*chunks, Act.HANG])
    assert program.ask("Hi").json()["text"] == "Hello"
    assert program.balance == 99


REFUNDED: dict[str, tuple[Any, Reason, str]] = {
    "ended by abort": (said("Half") + delta("abort"), Reason.UNKNOWN_END, "Half"),
    "ended by SAFETY": (said("Half") + delta("SAFETY"), Reason.REFUSED, "Half"),
    "ended by nothing": (said("Half"), Reason.CUT_OFF, "Half"),
    "an error event": (ERROR + STOP + DONE, Reason.PROVIDER_ERROR, ""),
    "an error event in capitals": (
        b'event: ERROR\ndata: {"message": "It broke."}\n\n' + said("Half") + STOP,
        Reason.PROVIDER_ERROR,
        "",
    ),
    "an error beside a good end": (
        said("Half") + choice_error("stop"),
        Reason.BUSY,
        "Half",
    ),
    "an error beside a bad end": (choice_error("error"), Reason.BUSY, ""),
    "an error with 200": (b'{"error": {"code": "model_not_found"}}', Reason.UNKNOWN_MODEL, ""),
    "no body": (b"", Reason.EMPTY_ANSWER, ""),
    "HTML": (b"<html>Sign in</html>", Reason.UNREADABLE, ""),
    "a chunk nested too deeply": (b"data: " + b"[" * 100_000 + b"\n\n", Reason.UNREADABLE, ""),
    "thinking alone": (said("<think>a b c</think>") + STOP, Reason.EMPTY_ANSWER, ""),
    "characters that draw nothing": (
        said("\u200b\ufeff\u00ad") + STOP,
        Reason.EMPTY_ANSWER,
        "\u200b\ufeff\u00ad",
    ),
    "an empty code block": (said("```\n```") + STOP, Reason.EMPTY_ANSWER, "```\n```"),
    "a length used up": (delta(reasoning="Hm.") + delta("length"), Reason.LENGTH_USED_UP, ""),
    "a connection that is reset": (Pieces([said("Half"), Act.RESET]), Reason.CUT_OFF, "Half"),
}


def test_what_does_not_end_well_is_refunded_with_its_reason(
    odd_studio: Program, painter: FakePainter, subtests: pytest.Subtests
) -> None:
    for name, (body, reason, text) in REFUNDED.items():
        with subtests.test(name):
            painter.answer = body
            answer = odd_studio.ask("Hi")
            failed = answer.json()
            assert (failed["reason"], failed["refunded"]) == (reason, 1), answer.text
            assert failed["text"] == text
            assert odd_studio.balance == 100
    assert Turn.objects.filter(state=Turn.State.RUNNING).count() == 0


def bill_of(stream: Stream) -> tuple[str, str, int]:
    """What the table of outcomes makes of a stream where no tools are offered: its text, the reason
    of the refund, and what it costs."""
    expected = stream.expected
    if isinstance(expected.ending, Reason):
        return expected.text, expected.ending, 0
    if expected.ending is Finish.TOOL_CALLS:
        return expected.text, Reason.UNKNOWN_END, 0
    if not expected.text.strip():
        used_up = expected.ending is Finish.LENGTH
        return "", Reason.LENGTH_USED_UP if used_up else Reason.EMPTY_ANSWER, 0
    return expected.text, "", 1


def test_every_stream_of_a_provider_is_billed_by_the_table_of_outcomes(
    odd_studio: Program, painter: FakePainter, subtests: pytest.Subtests
) -> None:
    for stream in load_streams():
        with subtests.test(stream.name):
            painter.answer = stream.body
            before = odd_studio.balance
            answer = odd_studio.ask("Hi").json()
            text, reason, cost = bill_of(stream)
            assert (answer["text"], answer.get("reason", "")) == (text, reason)
            assert before - odd_studio.balance == cost
            assert Turn.objects.latest("created_at").reasoning == stream.expected.reasoning


STATUSES = [
    (400, {"code": "context_length_exceeded"}, Reason.CONTEXT_TOO_LONG),
    (401, {"code": "invalid_api_key"}, Reason.ACCESS),
    (429, {"code": "insufficient_quota"}, Reason.QUOTA),
    (429, {"code": "rate_limit_exceeded"}, Reason.BUSY),
    (404, {"code": "model_not_found"}, Reason.UNKNOWN_MODEL),
    (307, {}, Reason.REDIRECTED),
]


def test_statuses_have_reasons_and_are_in_the_log(
    odd_studio: Program, painter: FakePainter, subtests: pytest.Subtests
) -> None:
    painter.headers = {"Location": f"{painter.base_url}/chat/completions"}
    for status, error, reason in STATUSES:
        with subtests.test(status=status, reason=reason):
            painter.status, painter.answer = status, {"error": error}
            answer = odd_studio.ask("Hi").json()
            assert (answer["reason"], odd_studio.balance) == (reason, 100)
            code = error.get("code", "-")
            line = f"reason={reason.value} status={status} code={code}"
            assert line in odd_studio.site.log.read_text()
    assert len(painter.calls) == len(STATUSES), "a call was repeated"


def test_reasoning_keeps_an_answer_alive_beyond_the_wait_for_its_first_word(
    keep_site: Callable[..., Site], painter: FakePainter, alice: User
) -> None:
    site = keep_site(OPENAI_BASE_URL=painter.base_url, FIRST_TOKEN_SECONDS="1", SILENCE_SECONDS="1")
    program = Program(site, alice)
    thought = delta(reasoning="Hm. ")
    signs: list[bytes] = [thought, thought, b": ping\n\n", b"data: \n\n", delta(content="")]
    slowly = [part for sign in signs for part in (sign, 0.6)]
    painter.answer = Pieces([*slowly, said("Hello") + STOP])
    assert program.ask("Hi").json()["text"] == "Hello"
    assert (Turn.objects.get().reasoning, program.balance) == ("Hm. Hm. ", 99)


def test_reasoning_without_end_ends_at_the_time_limit(
    keep_site: Callable[..., Site], painter: FakePainter, alice: User
) -> None:
    site = keep_site(OPENAI_BASE_URL=painter.base_url, ANSWER_SECONDS="2")
    program = Program(site, alice)
    painter.answer = Pieces([delta(reasoning="Hm. "), Act.HANG])
    failed = program.ask("Hi").json()
    assert (failed["reason"], program.balance) == (Reason.TIMEOUT, 100)
    assert Turn.objects.get().reasoning == "Hm. "
    wait_for(lambda: painter.left == 1, "the provider to see that nobody waits")


def test_another_provider_takes_over_from_one_that_says_nothing(
    keep_site: Callable[..., Site], painter: FakePainter, provider: FakeProvider, alice: User
) -> None:
    site = keep_site(OPENAI_BASE_URL=painter.base_url, FIRST_TOKEN_SECONDS="1", SILENCE_SECONDS="1")
    program, model = Program(site, alice), text_model()
    other = Provider.objects.create(
        name="other", base_url=provider.base_url, dialect=Provider.Dialect.COMPATIBLE
    )
    fallback = AIModel.objects.create(
        name="second", label="Second", feature=model.feature, provider=other,
        provider_model=model.provider_model, price_factor=5, position=9,
    )  # fmt: skip
    text_model(fallback=fallback)
    painter.silent = True
    answer = program.ask("Hi")
    assert answer.json()["text"].startswith("word1 word2")
    assert program.balance == 99
    assert Turn.objects.get().answered_by == "second"
    failure = ProviderFailure.objects.get()
    assert (failure.model, failure.reason) == (model.name, Reason.TIMEOUT)
    wait_for(lambda: painter.left == 1, "the first provider to see that nobody waits")


def test_a_stop_before_the_headers_reaches_the_provider(
    odd_studio: Program, painter: FakePainter
) -> None:
    painter.silent = True
    with odd_studio.streaming("Hi") as response:
        next(response.iter_lines())
        wait_for(lambda: len(painter.calls) == 1, "the call")
    wait_for(lambda: painter.left == 1, "the provider to see that nobody waits")
    wait_for(lambda: not Turn.objects.get().is_running, "the turn to be stopped")
    assert odd_studio.balance == 100
