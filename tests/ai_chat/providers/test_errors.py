"""What providers answer instead of an answer, over HTTP, and the reason that it comes to."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from ai_chat.providers.chat import AnswerStream
from ai_chat.providers.errors import ProviderError
from credits.models import AIModel, Provider
from credits.reasons import Reason
from tests.fakes.scripted import Act, Pieces, ScriptedProvider, serve
from tests.processes import free_port

KEY = "sk-proj-0123456789abcdef"


@pytest.fixture(scope="module")
def scripted() -> Iterator[ScriptedProvider]:
    with serve(ScriptedProvider()) as provider:
        yield provider


def failure(base_url: str) -> ProviderError:
    provider = Provider(base_url=base_url, key_variable="A_KEY")
    model = AIModel(provider_model="m", provider=provider)
    with pytest.raises(ProviderError) as caught:
        list(AnswerStream(model=model, messages=[], temperature=None))
    return caught.value


def error(**members: Any) -> dict[str, Any]:
    return {"error": {"message": "No.", **members}}


LENGTH = "This model's maximum context length is 4096 tokens, but 5000 were requested."
ANSWERS: list[tuple[int, Any, Reason, str]] = [
    (400, error(code="context_length_exceeded"), Reason.CONTEXT_TOO_LONG,
     "context_length_exceeded"),
    (400, error(type="exceed_context_size_error", code=400), Reason.CONTEXT_TOO_LONG,
     "exceed_context_size_error"),
    (400, {"object": "error", "message": LENGTH, "type": "BadRequestError", "code": 400},
     Reason.CONTEXT_TOO_LONG, "BadRequestError"),
    (400, error(message="prompt is too long: 210000 tokens", type="invalid_request_error"),
     Reason.CONTEXT_TOO_LONG, "invalid_request_error"),
    (413, b"<html>Too large</html>", Reason.CONTEXT_TOO_LONG, ""),
    (413, error(code="rate_limit_exceeded", type="tokens"), Reason.CONTEXT_TOO_LONG,
     "rate_limit_exceeded"),
    (400, {"error": "This model's maximum prompt length is 131072 but the request contains 5."},
     Reason.CONTEXT_TOO_LONG, ""),
    (422, {"error": "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000"},
     Reason.CONTEXT_TOO_LONG, ""),
    (400, error(message="Range of input length should be [1, 30720]"),
     Reason.CONTEXT_TOO_LONG, ""),
    (400, [error(message="API key not valid. Please pass a valid API key.",
                 status="INVALID_ARGUMENT")], Reason.ACCESS, "INVALID_ARGUMENT"),
    (400, {"error": "Incorrect API key provided: xa***"}, Reason.ACCESS, ""),
    (404, error(code="DeploymentNotFound"), Reason.UNKNOWN_MODEL, "DeploymentNotFound"),
    (404, error(message="No models loaded. Please load a model."), Reason.UNKNOWN_MODEL, ""),
    (403, error(code=403, message="It requires moderation and your input was flagged"),
     Reason.REFUSED, "403"),
    (401, error(code="invalid_api_key", type="invalid_request_error"), Reason.ACCESS,
     "invalid_api_key"),
    (401, b"", Reason.ACCESS, ""),
    (403, error(), Reason.ACCESS, ""),
    (402, error(code=402), Reason.QUOTA, "402"),
    (429, error(code="insufficient_quota"), Reason.QUOTA, "insufficient_quota"),
    (429, error(code=None, type="insufficient_quota"), Reason.QUOTA, "insufficient_quota"),
    (400, error(code="billing_hard_limit_reached"), Reason.QUOTA, "billing_hard_limit_reached"),
    (400, error(message="Your credit balance is too low"), Reason.QUOTA, ""),
    (429, error(code="rate_limit_exceeded", type="tokens"), Reason.BUSY, "rate_limit_exceeded"),
    (429, [{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}], Reason.BUSY,
     "RESOURCE_EXHAUSTED"),
    (503, b"<html>", Reason.BUSY, ""),
    (529, error(type="overloaded_error"), Reason.BUSY, "overloaded_error"),
    (404, error(code="model_not_found"), Reason.UNKNOWN_MODEL, "model_not_found"),
    (404, error(message="The model `m` does not exist.", type="NotFoundError", code=404),
     Reason.UNKNOWN_MODEL, "NotFoundError"),
    (404, {"error": "model 'm' not found"}, Reason.UNKNOWN_MODEL, ""),
    (400, error(message="m is not a valid model ID", code=400), Reason.UNKNOWN_MODEL, "400"),
    (404, {"detail": "Not Found"}, Reason.NOT_ACCEPTED, ""),
    (404, b"404 page not found", Reason.NOT_ACCEPTED, ""),
    (400, error(code="content_filter"), Reason.REFUSED, "content_filter"),
    (400, error(code="content_policy_violation"), Reason.REFUSED, "content_policy_violation"),
    (400, error(code="invalid_value", param="n"), Reason.NOT_ACCEPTED, "invalid_value"),
    (422, {"detail": [{"type": "extra_forbidden"}]}, Reason.NOT_ACCEPTED, ""),
    (400, error(code=["no", "text"]), Reason.NOT_ACCEPTED, ""),
    (408, error(), Reason.TIMEOUT, ""),
    (500, error(code="server_error"), Reason.PROVIDER_ERROR, "server_error"),
    (500, error(message="connection refused"), Reason.PROVIDER_ERROR, ""),
    (502, error(code="ECONNREFUSED"), Reason.PROVIDER_ERROR, "ECONNREFUSED"),
    (502, b"<html>Bad gateway</html>", Reason.PROVIDER_ERROR, ""),
    (301, b"", Reason.REDIRECTED, ""),
    (304, b"", Reason.REDIRECTED, ""),
    (401, error(code=f"bad:{KEY}"), Reason.ACCESS, ""),
    (500, error(code="a b\n<c>é" + "x" * 90), Reason.PROVIDER_ERROR, "abc" + "x" * 57),
]  # fmt: skip


@pytest.mark.parametrize(("status", "answer", "reason", "code"), ANSWERS)
def test_a_status_has_a_reason_and_a_code_without_the_key(
    scripted: ScriptedProvider, monkeypatch: pytest.MonkeyPatch, status: int, answer: Any,
    reason: Reason, code: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("A_KEY", KEY)
    scripted.reset()
    scripted.status, scripted.answer = status, answer
    failed = failure(scripted.base_url)
    assert (failed.reason, failed.status, failed.code) == (reason, status, code)
    assert KEY not in str(failed)
    assert len(scripted.calls) == 1


SOON = datetime.now(UTC) + timedelta(hours=1)


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, {"Retry-After": "7"}, 7),
        (503, {"Retry-After": "1"}, 1),
        (503, {"Retry-After": "0.2"}, 1),
        (500, {"Retry-After": "3600"}, 60),
        (429, {"Retry-After": format_datetime(SOON, usegmt=True)}, 60),
        (429, {"retry-after-ms": "1500", "Retry-After": "9"}, 2),
        (429, {}, None),
        (429, {"Retry-After": "0"}, None),
        (429, {"Retry-After": "-5"}, None),
        (429, {"Retry-After": "soon"}, None),
        (429, {"Retry-After": "nan"}, None),
        (429, {"Retry-After": "inf"}, None),
        (429, {"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}, None),
        (401, {"Retry-After": "7"}, None),
    ],
)
def test_the_wait_that_a_provider_asks_for(
    scripted: ScriptedProvider, status: int, headers: dict[str, str], seconds: int | None
) -> None:
    scripted.reset()
    scripted.status, scripted.answer, scripted.headers = status, error(), headers
    assert failure(scripted.base_url).retry_seconds == seconds


@pytest.mark.parametrize(
    ("pieces", "reason"),
    [
        ([Act.RESET], Reason.CUT_OFF),
        ([Act.CLOSE], Reason.CUT_OFF),
        ([b'data: {"choices": [{"del', Act.CLOSE], Reason.CUT_OFF),
        ([b'{"choices": [{"mess', Act.RESET], Reason.CUT_OFF),
    ],
    ids=str,
)
def test_a_connection_that_breaks_is_a_reason_of_its_own(
    scripted: ScriptedProvider, pieces: list[Any], reason: Reason
) -> None:
    scripted.reset()
    scripted.answer = Pieces(pieces)
    assert failure(scripted.base_url).reason == reason


@pytest.mark.parametrize(
    ("base_url", "code"),
    [
        ("http://127.0.0.1:{port}/v1", "ConnectError"),
        ("ftp://127.0.0.1/v1", "UnsupportedProtocol"),
        ("http://127.0.0.1:port/v1", "InvalidURL"),
    ],
)
def test_a_provider_that_cannot_be_reached_has_a_reason(base_url: str, code: str) -> None:
    failed = failure(base_url.format(port=free_port()))
    assert (failed.reason, failed.code) == (Reason.UNREACHABLE, code)
