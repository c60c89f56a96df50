"""What providers do wrong, seen by a client of /v1: the status, how the stream ends, what is paid,
and that nothing stays open. The cases are the wire's: `providers/test_provider_faults.py`."""

from collections.abc import Callable

import pytest

from ai_chat.models import ApiCall
from ai_chat.providers.pieces import Finish, Usage
from credits.models import TokenPrice, User
from credits.reasons import Reason
from tests.ai_chat.gateway.client import ApiProgram, assert_paid_exactly, latest_call
from tests.ai_chat.gateway.wire import Streamed, spoken, stream
from tests.ai_chat.providers.streams import Stream, load_streams
from tests.ai_chat.providers.test_provider_faults import (
    ANSWERED,
    DONE,
    FAILED,
    HELLO,
    LATER,
    MAX_TOKENS,
    Case,
    Failure,
    event,
    usage,
)
from tests.ai_chat.tokens import price_by_tokens
from tests.fakes.scripted import Act, Pieces, ScriptedProvider
from tests.live import Site
from tests.waiting import wait_for

State = ApiCall.State
#: What the cases of the wire were asked.
MESSAGE = "x" * 40
STREAMS = load_streams()
#: What the provider sends in those failures that come after a part of the answer.
BEGUN = [
    failure.answer
    for failure in FAILED.values()
    if isinstance(failure.answer, Pieces) and str(failure.answer[0]).startswith(str(HELLO)[:-1])
]
#: What a failure before the answer comes to; all others are 502.
STATUSES = {
    Reason.BUSY: (503, "overloaded"),
    Reason.TIMEOUT: (504, "provider_timeout"),
    Reason.CONTEXT_TOO_LONG: (400, "context_length_exceeded"),
    Reason.REFUSED: (400, "content_policy_violation"),
    Reason.NOT_ACCEPTED: (400, "provider_not_accepted"),
}


@pytest.fixture
def price(transactional_db: None) -> TokenPrice:
    return price_by_tokens(output_tokens=MAX_TOKENS)


@pytest.fixture
def program(
    keep_site: Callable[..., Site], wire: ScriptedProvider, alice: User, price: TokenPrice
) -> ApiProgram:
    """Alice's program, which has 100 credits, at a site that waits two seconds."""
    site = keep_site(OPENAI_BASE_URL=wire.base_url, FIRST_TOKEN_SECONDS="2", SILENCE_SECONDS="2")
    return ApiProgram(site, alice)


def assert_all_over(program: ApiProgram, wire: ScriptedProvider) -> ApiCall:
    """The call as it ended. It was paid exactly, what was granted was told to the provider, and no
    connection stays but one that can be used again."""
    program.wait_until_ended()
    assert_paid_exactly(program.user)
    limits = [wire.calls[-1].get(name) for name in ("max_tokens", "max_completion_tokens")]
    assert MAX_TOKENS in limits
    assert wire.calls[-1]["stream"] is True
    # Each worker of the site may keep one.
    wait_for(lambda: wire.connections - wire.ended <= 2, "the connections to end")
    return latest_call(program.user)


def usage_of(call: ApiCall) -> Usage:
    assert call.use
    used = call.use
    return Usage(used.input, used.cached, used.cache_write, used.output, used.reasoning)


@pytest.mark.parametrize("case", ANSWERED.values(), ids=ANSWERED.keys())
def test_an_answer_that_is_delivered_is_paid_by_its_usage(
    program: ApiProgram, wire: ScriptedProvider, case: Case
) -> None:
    wire.answer, wire.headers = case.answer, case.headers
    choices = 2 if b'{"index": 1, "delta": {"content"' in b"".join(bytes_of(case)) else 1
    body = program.body(MESSAGE, n=choices)
    answer = stream(program, body)
    assert answer.error is None
    assert answer.events[-1] == "[DONE]"
    whole = program.http.post("/chat/completions", json=body).json()
    for completion in (answer.completion.to_dict(), whole):
        first = completion["choices"][0]
        assert first["message"]["content"] == case.text
        is_cut = case.finish == Finish.LENGTH
        asks = bool(first["message"].get("tool_calls"))
        expected = "length" if is_cut else "tool_calls" if asks else "stop"
        assert first["finish_reason"] == expected
        told = completion["usage"]
        assert (told["prompt_tokens"], told["completion_tokens"]) == (
            case.usage.input,
            case.usage.output,
        )
    call = assert_all_over(program, wire)
    assert call.state == State.DONE
    assert usage_of(call) == case.usage
    assert call.use
    assert (call.use.source, set(call.use.flags)) == (
        case.source,
        {str(flag) for flag in case.flags},
    )


def bytes_of(case: Case) -> list[bytes]:
    pieces = case.answer if isinstance(case.answer, Pieces) else [case.answer]
    return [piece for piece in pieces if isinstance(piece, bytes)]


@pytest.mark.parametrize("failure", FAILED.values(), ids=FAILED.keys())
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_an_answer_that_fails_is_free(
    program: ApiProgram, wire: ScriptedProvider, failure: Failure, streamed: bool
) -> None:
    wire.answer, wire.status, wire.headers = failure.answer, failure.status, failure.headers
    answer = ask(program, streamed=streamed)
    status, code = STATUSES.get(failure.reason, (502, "provider_error"))
    begun = streamed and failure.answer in BEGUN
    assert answer.response.status_code == (200 if begun else status)
    assert answer.error
    assert answer.error["code"] == code
    assert "It broke" not in answer.error["message"]
    if failure.headers == LATER:
        assert answer.response.headers["Retry-After"] == "60"
    if begun:
        assert_broken_off(answer)
    call = assert_all_over(program, wire)
    assert (call.state, call.failure) == (State.FAILED, failure.reason)
    assert call.use
    assert call.use.source == "none"
    assert call.charged == 0


def ask(program: ApiProgram, *, streamed: bool) -> Streamed:
    """The answer, streamed or whole."""
    body = program.body(MESSAGE)
    if streamed:
        return stream(program, body)
    response = program.http.post("/chat/completions", json=body)
    return Streamed(response, [], None, response.json().get("error"))


def assert_broken_off(answer: Streamed) -> None:
    """Nothing in the stream says that the answer has ended well."""
    assert answer.events[-1] != "[DONE]"
    assert all(
        choice["finish_reason"] is None for chunk in answer.chunks for choice in chunk["choices"]
    )


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_silence_before_the_headers_is_free(
    program: ApiProgram, wire: ScriptedProvider, streamed: bool
) -> None:
    wire.silent = True
    answer = ask(program, streamed=streamed)
    assert answer.error
    assert (answer.response.status_code, answer.error["code"]) == (504, "provider_timeout")
    wait_for(lambda: wire.left == 1, "the provider to see that nobody waits")
    assert assert_all_over(program, wire).charged == 0


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 413, 422, 429, 500, 503, 529])
def test_the_provider_s_own_errors_are_never_those_of_the_client(
    program: ApiProgram, wire: ScriptedProvider, status: int
) -> None:
    """A client that hears 401 or 402 would take its own key or balance for the reason."""
    secret = "sk-provider-secret-1234567890"
    said = f"It takes no colour. Ask {wire.base_url} or ops@example.com of org-abcdefgh, {secret}"
    wire.answer = {"error": {"message": said, "code": secret}}
    wire.status = status
    answer = program.http.post("/chat/completions", json=program.body(MESSAGE))
    assert not any(word in answer.text for word in (secret, "org-abc", "ops@", "127.0.0.1"))
    expected = {400: 400, 404: 400, 409: 400, 413: 400, 422: 400, 429: 503, 503: 503, 529: 503}
    assert answer.status_code == expected.get(status, 502)
    error = answer.json()["error"]
    assert error["type"] == ("api_error" if answer.status_code >= 500 else "invalid_request_error")
    assert ("It takes no colour." in error["message"]) == (answer.status_code == 400)
    assert assert_all_over(program, wire).charged == 0


@pytest.mark.parametrize("recorded", STREAMS, ids=[recorded.name for recorded in STREAMS])
def test_every_stream_reaches_clients_whole_or_ends_in_an_error(
    program: ApiProgram, wire: ScriptedProvider, recorded: Stream
) -> None:
    wire.answer = recorded.body
    expected = recorded.expected
    answer = stream(program, program.body(MESSAGE))
    whole = program.http.post("/chat/completions", json=program.body(MESSAGE))
    if isinstance(expected.ending, Reason) and not answer.completion:
        status, code = STATUSES.get(expected.ending, (502, "provider_error"))
        assert whole.status_code == status
        assert answer.error
        assert answer.error["code"] == whole.json()["error"]["code"] == code
        if answer.events:
            assert_broken_off(answer)
        assert assert_all_over(program, wire).charged == 0
        return
    assert whole.status_code == 200, whole.text
    (told,) = answer.completion.to_dict()["choices"]
    (choice,) = whole.json()["choices"]
    assert told["finish_reason"] == choice["finish_reason"]
    assert spoken(told["message"]) == spoken(choice["message"])
    message = choice["message"]
    # Thoughts that stand between tags within the text are passed on as they came.
    assert (message["content"] or "").endswith(expected.text)
    for call, called in zip(message.get("tool_calls", []), expected.tool_calls, strict=False):
        assert call["function"] == {"name": called.name, "arguments": called.arguments}
        assert call["type"] == "function"
        assert call["id"]
    call = assert_all_over(program, wire)
    if expected.usage and call.charged:
        assert usage_of(call) == expected.usage


def test_an_answer_that_drips_past_the_limit_of_time_is_cut(
    keep_site: Callable[..., Site], wire: ScriptedProvider, alice: User, price: TokenPrice
) -> None:
    site = keep_site(OPENAI_BASE_URL=wire.base_url, API_CALL_SECONDS="2")
    program = ApiProgram(site, alice)
    wire.answer = Pieces([part for _ in range(100) for part in (HELLO, 0.1)] + [Act.HANG])
    answer = stream(program, program.body(MESSAGE))
    assert answer.error is None
    assert answer.completion.choices[0].finish_reason == "length"
    call = assert_all_over(program, wire)
    assert (call.state, call.use and call.use.source) == (State.DONE, "estimated")
    assert call.use
    assert call.use.output > 1


def test_the_limit_of_time_before_anything_came_is_free(
    keep_site: Callable[..., Site], wire: ScriptedProvider, alice: User, price: TokenPrice
) -> None:
    site = keep_site(OPENAI_BASE_URL=wire.base_url, API_CALL_SECONDS="2")
    program = ApiProgram(site, alice)
    wire.silent = True
    answer = program.http.post("/chat/completions", json=program.body(MESSAGE))
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "provider_timeout")
    assert assert_all_over(program, wire).charged == 0


@pytest.mark.parametrize("finish", ["stop", "length"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_thoughts_alone_are_free(
    program: ApiProgram, wire: ScriptedProvider, streamed: bool, finish: str
) -> None:
    """The answer is passed on with its end all the same."""
    thought = event({"choices": [{"delta": {"reasoning_content": "Well."}}]})
    end = event({"choices": [{"delta": {}, "finish_reason": finish}]})
    wire.answer = Pieces([thought, end, usage(20, 7), DONE])
    body = program.body(MESSAGE)
    answer = (
        stream(program, body).completion.to_dict()
        if streamed
        else program.http.post("/chat/completions", json=body).json()
    )
    (choice,) = answer["choices"]
    assert choice["message"]["reasoning_content"] == "Well."
    assert choice["finish_reason"] == finish
    assert answer["usage"]["cost"] == "0.000000000000"
    call = assert_all_over(program, wire)
    assert (call.failure, call.charged) == (Reason.EMPTY_ANSWER, 0)
