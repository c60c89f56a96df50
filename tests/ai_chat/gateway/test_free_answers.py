"""Answers that come to nothing by what was asked for, although something of them was sent: free so
often an hour, then what they used."""

from collections.abc import Callable
from typing import Any

import pytest

from ai_chat.jobs.ending import FREE_ANSWERS
from ai_chat.models import ApiCall
from credits.models import TokenPrice, User
from credits.reasons import Reason
from tests.ai_chat.gateway.client import ApiProgram, assert_paid_exactly, latest_call
from tests.ai_chat.gateway.wire import Streamed, stream
from tests.ai_chat.providers.test_used import delta, event, usage
from tests.fakes.scripted import Act, Pieces, ScriptedProvider
from tests.live import Site

DONE = b"data: [DONE]\n\n"
THOUGHT = delta(reasoning_content="The answer is 42.")
TEXT = delta(content="A long answer. ")
BAD = event(error={"code": "tool_use_failed", "type": "invalid_request_error", "message": "No"})
#: What is sent, and how it ends.
NOTHING: dict[str, tuple[list[bytes], str]] = {
    "thoughts alone": ([THOUGHT, delta("length"), usage(10, 50), DONE], Reason.EMPTY_ANSWER),
    "a filter after text": ([TEXT, delta("content_filter"), usage(10, 50), DONE], Reason.REFUSED),
    "a refusal": ([delta(refusal="I cannot"), delta("stop"), usage(10, 50)], Reason.REFUSED),
    "not accepted after text": ([TEXT, usage(10, 50), BAD], Reason.NOT_ACCEPTED),
    "an end of its own": ([TEXT, usage(10, 50), delta("malformed_call")], Reason.UNKNOWN_END),
}


@pytest.fixture
def program(
    keep_site: Callable[..., Site], wire: ScriptedProvider, alice: User, price: TokenPrice
) -> ApiProgram:
    return ApiProgram(keep_site(OPENAI_BASE_URL=wire.base_url), alice)


def ask(program: ApiProgram) -> tuple[Streamed, ApiCall]:
    answer = stream(program, program.body())
    program.wait_until_ended()
    return answer, latest_call(program.user)


def test_what_comes_to_nothing_is_free_ten_times_an_hour(
    program: ApiProgram, wire: ScriptedProvider
) -> None:
    kinds = [*NOTHING.values()]
    for number in range(FREE_ANSWERS):
        chunks, failure = kinds[number % len(kinds)]
        wire.answer = Pieces(chunks)
        _, call = ask(program)
        assert (call.state, call.failure) == (ApiCall.State.FAILED, failure)
        assert (call.is_free, call.came_back) == (True, True)
    for name, (chunks, _) in NOTHING.items():
        wire.answer = Pieces(chunks)
        answer, call = ask(program)
        assert call.failure == Reason.ANSWERS_USED_UP, name
        assert not call.came_back
        assert call.use
        assert (call.use.input, call.use.output) == (10, 50)
        assert int(call.use.collected) == 10 * 10**9 + 50 * 2 * 10**9
        if answer.error:
            assert call.state == ApiCall.State.FAILED
            assert answer.error["message"].endswith("What was sent is charged.")
        else:
            assert call.state == ApiCall.State.DONE
    assert_paid_exactly(program.user)
    # Of each account.
    assert program.post("whole").status_code == 502, "Nothing of it was sent."
    assert latest_call(program.user).failure == Reason.UNKNOWN_END
    assert_paid_exactly(program.user)


@pytest.mark.parametrize(
    "chunks", [[TEXT, Act.RESET], [TEXT, event(error={"code": 500, "message": "Oops"})]], ids=len
)
def test_what_the_provider_breaks_off_is_always_free(
    program: ApiProgram, wire: ScriptedProvider, chunks: list[Any]
) -> None:
    wire.answer = Pieces(chunks)
    for _ in range(FREE_ANSWERS + 1):
        _, call = ask(program)
        assert call.is_free
    assert_paid_exactly(program.user)
