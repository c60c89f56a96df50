"""What providers and clients do wrong, through the whole product, where tokens have a price: the
status, how the stream ends, what is paid, and that nothing stays open. The wire alone:
`providers/test_provider_faults.py`."""

import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from ai_chat.models import Turn
from ai_chat.providers.pieces import Finish, Usage
from ai_chat.providers.usage import Flag
from credits.models import TokenPrice, UsageHistory, User
from credits.reasons import Reason
from tests.ai_chat.api.client import Program, parts_of, user_says
from tests.ai_chat.providers.test_provider_faults import (
    ANSWERED,
    DONE,
    END,
    FAILED,
    HELLO,
    LATER,
    MAX_TOKENS,
    STOP,
    Case,
    Failure,
    said,
    usage,
)
from tests.ai_chat.tokens import assert_paid_exactly, ended_turn, price_by_tokens
from tests.fakes.scripted import Act, Pieces, ScriptedProvider
from tests.live import Site
from tests.waiting import wait_for

#: What the cases of the wire were asked.
MESSAGE = "x" * 40


@pytest.fixture
def price(transactional_db: None) -> TokenPrice:
    return price_by_tokens(output_tokens=MAX_TOKENS)


@pytest.fixture
def program(
    keep_site: Callable[..., Site], wire: ScriptedProvider, alice: User, price: TokenPrice
) -> Program:
    """Alice's program, which has 100 credits, at a site that waits two seconds."""
    site = keep_site(OPENAI_BASE_URL=wire.base_url, FIRST_TOKEN_SECONDS="2", SILENCE_SECONDS="2")
    return Program(site, alice)


def assert_all_over(program: Program, wire: ScriptedProvider) -> Turn:
    """The turn as it ended. It was paid exactly, what was granted was told to the provider, and no
    connection stays but one that can be used again."""
    assert_paid_exactly(program.user)
    turn = ended_turn(program.user)
    assert turn.charge.details["output_granted"] == MAX_TOKENS
    limits = [wire.calls[-1].get(name) for name in ("max_tokens", "max_completion_tokens")]
    assert MAX_TOKENS in limits
    # Each worker of the site may keep one.
    wait_for(lambda: wire.connections - wire.ended <= 2, "the connections to end")
    return turn


@pytest.mark.parametrize("case", ANSWERED.values(), ids=ANSWERED.keys())
def test_an_answer_that_is_delivered_is_paid_by_its_usage(
    program: Program, wire: ScriptedProvider, case: Case
) -> None:
    wire.answer, wire.headers = case.answer, case.headers
    parts = parts_of(program.chat(MESSAGE))
    text = "".join(part["delta"] for part in parts if part["type"] == "text-delta")
    assert text == case.text
    is_cut = case.finish == Finish.LENGTH
    finish = parts[-1]
    assert (finish["type"], finish["finishReason"]) == ("finish", "length" if is_cut else "stop")
    turn = assert_all_over(program, wire)
    assert turn.use
    assert (turn.state, turn.cut) == (Turn.State.ANSWERED, "length" if is_cut else "")
    used = turn.use
    assert Usage(used.input, used.cached, used.cache_write, used.output, used.reasoning) == (
        case.usage
    )
    # The site bounds the input by more than the wire's test did.
    assert (used.source, set(used.flags)) == (case.source, {str(flag) for flag in case.flags})
    assert finish["messageMetadata"]["receipt"]["usage"]["output"] == case.usage.output


@pytest.mark.parametrize("failure", FAILED.values(), ids=FAILED.keys())
def test_an_answer_that_fails_is_refunded(
    program: Program, wire: ScriptedProvider, failure: Failure
) -> None:
    wire.answer, wire.status, wire.headers = failure.answer, failure.status, failure.headers
    answer = program.ask(MESSAGE)
    is_busy = failure.reason == Reason.BUSY
    assert answer.status_code == (503 if is_busy else 502)
    body = answer.json()
    assert (body["error"], body["reason"]) == ("provider_failed", failure.reason)
    assert body["refunded"] == body["receipt"]["refunded"] == 1
    assert ("Retry-After" in answer.headers) == is_busy
    assert is_busy or failure.headers != LATER
    turn = assert_all_over(program, wire)
    assert (turn.state, turn.use and turn.use.source) == (Turn.State.FAILED, "none")
    assert program.balance == 100


def test_a_failure_ends_the_stream_with_an_error(program: Program, wire: ScriptedProvider) -> None:
    wire.answer = Pieces([HELLO, Act.CLOSE])
    kinds = [part["type"] for part in parts_of(program.chat(MESSAGE))]
    assert kinds[-2:] == ["message-metadata", "error"]
    assert "finish" not in kinds
    assert_all_over(program, wire)


def test_silence_before_the_headers_is_refunded(program: Program, wire: ScriptedProvider) -> None:
    wire.silent = True
    answer = program.ask(MESSAGE)
    assert (answer.status_code, answer.json()["reason"]) == (502, Reason.TIMEOUT)
    wait_for(lambda: wire.left == 1, "the provider to see that nobody waits")
    assert_all_over(program, wire)


def test_silence_in_the_middle_is_refunded(program: Program, wire: ScriptedProvider) -> None:
    wire.answer = Pieces([HELLO, Act.HANG])
    answer = program.ask(MESSAGE)
    assert (answer.status_code, answer.json()["reason"]) == (502, Reason.TIMEOUT)
    assert answer.json()["text"] == "Hello "
    wait_for(lambda: wire.left == 1, "the provider to see that nobody waits")
    assert_all_over(program, wire)


# --- What clients do wrong ----------------------------------------------------------------------


SLOW = Pieces([part for _ in range(200) for part in (said("word "), 0.05)])


def test_a_program_that_leaves_before_the_headers_of_the_provider(
    program: Program, wire: ScriptedProvider
) -> None:
    wire.silent = True
    with program.streaming(MESSAGE) as response:
        next(response.iter_bytes())
    wait_for(lambda: wire.left == 1, "the provider to see that nobody waits")
    wait_for(lambda: not ended_turn(program.user).is_running, "the turn to be stopped")
    turn = assert_all_over(program, wire)
    assert (turn.failure, program.balance) == (Reason.STOPPED_EARLY, 100)


@pytest.mark.parametrize("deltas", [1, 5])
def test_a_program_that_leaves_after_some_of_the_answer(
    program: Program, wire: ScriptedProvider, deltas: int
) -> None:
    wire.answer = SLOW
    seen = b""
    with program.streaming(MESSAGE) as response:
        for piece in response.iter_bytes():
            seen += piece
            if seen.count(b"text-delta") >= deltas:
                break
    wait_for(lambda: not ended_turn(program.user).is_running, "the turn to be stopped")
    turn = assert_all_over(program, wire)
    assert turn.use
    assert (turn.state, turn.use.source, turn.use.input) == ("stopped", "estimated", 10)
    assert deltas <= turn.use.output < 200


def test_a_program_that_leaves_after_the_last_text_is_paid_by_the_providers_count(
    program: Program, wire: ScriptedProvider
) -> None:
    wire.answer = Pieces([HELLO, STOP, 0.5, usage(20, 7), DONE])
    with program.streaming(MESSAGE) as response:
        for piece in response.iter_bytes():
            if b"text-delta" in piece:
                break
    wait_for(lambda: not ended_turn(program.user).is_running, "the turn to end")
    turn = assert_all_over(program, wire)
    assert turn.use
    assert (turn.use.source, turn.use.output) == ("provider", 7)


def test_a_program_that_reads_slowly_gets_all_of_it(
    program: Program, wire: ScriptedProvider
) -> None:
    wire.answer = Pieces([*[said("long words " * 200)] * 25, STOP, usage(20, 90), DONE])
    seen = 0
    with program.streaming(MESSAGE) as response:
        for piece in response.iter_raw(chunk_size=20_000):
            seen += len(piece)
            threading.Event().wait(0.05)
    assert seen > 25 * 2000
    turn = assert_all_over(program, wire)
    assert turn.use
    assert (turn.use.source, turn.use.output) == ("provider", 90)


def sent_twice(program: Program, key: str) -> list[httpx.Response]:
    """The answers to two identical bodies that are sent at once."""
    body = user_says(MESSAGE, model="smollm2-135m")
    headers = {"Accept": "application/json"} | ({"Idempotency-Key": key} if key else {})
    answers: list[httpx.Response] = []

    def send() -> None:
        client = program.site.client(program.user)
        answers.append(client.post("/api/ai/chat", json=body, headers=headers))

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def charges(user: User) -> Any:
    return UsageHistory.objects.filter(account=user.pk, unit_cost__isnull=False)


def test_two_identical_bodies_without_a_key_are_two_answers(
    program: Program, wire: ScriptedProvider
) -> None:
    wire.answer = Pieces([HELLO, 0.3, END, usage()])
    assert [answer.status_code for answer in sent_twice(program, "")] == [200, 200]
    assert charges(program.user).count() == len(wire.calls) == 2
    assert_all_over(program, wire)


def test_two_identical_bodies_with_a_key_are_one_answer(
    program: Program, wire: ScriptedProvider
) -> None:
    wire.answer = Pieces([HELLO, 0.5, END, usage()])
    statuses = sorted(answer.status_code for answer in sent_twice(program, "once"))
    assert statuses in ([200, 200], [200, 409])  # The second came after the end, or before.
    assert charges(program.user).count() == len(wire.calls) == 1
    again = program.ask(MESSAGE, key="once", model="smollm2-135m")
    assert (again.status_code, again.headers.get("Idempotent-Replayed")) == (200, "true")
    other = program.ask("Another message", key="once", model="smollm2-135m")
    assert other.status_code == 422
    assert len(wire.calls) == 1
    assert_all_over(program, wire)


def test_a_key_whose_answer_failed_answers_with_that(
    program: Program, wire: ScriptedProvider
) -> None:
    wire.answer, wire.status = {"error": {"message": "It broke."}}, 500
    first, again = [program.ask(MESSAGE, key="failed") for _ in range(2)]
    assert (first.status_code, again.status_code) == (502, 502)
    assert again.json()["receipt"] == first.json()["receipt"]
    assert len(wire.calls) == 1
    assert Flag.MISSING not in ended_turn(program.user).charge.use.flags
    assert_all_over(program, wire)
