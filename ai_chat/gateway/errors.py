"""Errors of /v1, in OpenAI's envelope: status, type, code and hints as clients read them (design:
gateway, A.7). No message names a secret."""

import re
from collections.abc import Mapping
from typing import Any

from django.http import JsonResponse

from ai_chat.calls.statuses import answer_to
from ai_chat.gateway.headers import rate_headers
from ai_chat.jobs.start import rate_of_refusal
from ai_chat.providers.errors import ProviderError
from config.errors import DomainError, HttpError, InvalidInput, Path
from credits.exceptions import ModelNotOffered
from credits.reasons import Reason

#: The type of an error by its status.
TYPES = {402: "insufficient_quota", 403: "permission_error", 429: "rate_limit_error"}
#: Where errors are Anthropic's.
MESSAGES = "/v1/messages"
#: Codes of the site that have another name or status here.
CODES = {
    "invalid": (400, "invalid_value"),
    "malformed": (400, "invalid_json"),
    "unauthenticated": (401, "invalid_api_key"),
    "too_large": (413, "request_too_large"),
    "too_many_requests": (429, "rate_limit_exceeded"),
    "price_changed": (412, "price_changed"),
    "idempotency_conflict": (409, "idempotency_conflict"),
    "answer_deleted": (409, "idempotency_answer_gone"),
    "unavailable": (503, "overloaded"),
}
#: What trying again does not help with, though clients would.
FINAL = {"idempotency_conflict", "idempotency_answer_gone", "too_many_wrong_keys"}
NO_SUCH_MODEL = (
    "There is no such model for this call: GET /v1/models lists them, and where each is called."
)
NO_ADDRESS = (
    "There is nothing at this address. A base URL ends in /v1; /v1/openapi.json names each call."
)
SENTENCES = {
    Reason.CONTEXT_TOO_LONG: "This is more than the model can read.",
    Reason.NOT_ACCEPTED: "The provider did not accept the request.",
    Reason.REFUSED: "The provider refused the request.",
}


class ApiError(DomainError):
    """An error with the names that OpenAI's clients know. `param` names the field that is meant."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        retry_seconds: int | None = None,
        **members: Any,
    ) -> None:
        super().__init__(message, **members)
        self.status, self.code, self.param = status, code, param
        self.retry_seconds = retry_seconds


class Unsupported(ApiError):
    """A parameter that this API does not have: never dropped where it would cost or change what is
    answered."""

    def __init__(self, param: str, why: str = "") -> None:
        message = f"{param} is not supported here. {why}".strip()
        super().__init__(400, "unsupported_parameter", message, param=param)


def invalid(message: str, *path: str | int) -> InvalidInput:
    """A field of the body is not what is taken."""
    return InvalidInput(message, path)


def provider_failed(cause: ProviderError, *, is_charged: bool = False) -> ApiError:
    """The error for a call whose provider failed. Nothing is charged, unless the account has used
    up its free failures of the hour (`is_charged`). What the provider says of the request is passed
    on."""
    status, code = answer_to(cause.reason)
    label = cause.reason.label
    sentence = SENTENCES.get(cause.reason, f"{label[:1].upper()}{label[1:]}.")
    if status == 400 and cause.message:
        sentence = f"{sentence[:-1]}: {cause.message}"
        sentence += "" if sentence.endswith((".", "!", "?")) else "."
    wait = cause.retry_seconds if status >= 500 else None
    price = "What was sent is charged" if is_charged else "Nothing was charged"
    return ApiError(status, code, f"{sentence} {price}.", retry_seconds=wait)


def end_not_recorded() -> ApiError:
    """The error for a call whose end the database has not taken."""
    message = "The end of this call could not be recorded. Its credits come back."
    return ApiError(503, "overloaded", message)


def call_stopped() -> ApiError:
    """The error for a call that its client has left, or that was stopped elsewhere."""
    return ApiError(499, "stopped", "The call was stopped.")


def envelope(error: DomainError) -> dict[str, Any]:
    """The body for an error."""
    status, code = meaning(error)
    param = (
        _param_of(error.path) if isinstance(error, InvalidInput) else getattr(error, "param", None)
    )
    message = str(error)
    if isinstance(error, ModelNotOffered):
        message = NO_SUCH_MODEL
    if status == 402:  # Some clients look for these words.
        message = f"Insufficient credits: {message}"
    body: dict[str, Any] = {
        "message": message,
        "type": "api_error" if status >= 500 else TYPES.get(status, "invalid_request_error"),
        "param": param,
        "code": code,
    }
    if error.members:
        body["metadata"] = _snake(error.members)
    return {"error": body}


def meaning(error: DomainError) -> tuple[int, str]:
    """Status and code of an error here."""
    if isinstance(error, ApiError):
        return error.status, error.code
    if isinstance(error, ModelNotOffered):
        return 404, "model_not_found"
    return CODES.get(error.code, (error.status, error.code))


def error_response(error: DomainError, *, path: str, request_id: str) -> JsonResponse:
    """The answer for an error at an address."""
    status, code = meaning(error)
    body = envelope(error)
    if path == MESSAGES:
        status = anthropic_status(error)
        body = anthropic_envelope(error, request_id=request_id)
    headers = {**rate_headers(rate_of_refusal(error)), **error.headers, "x-request-id": request_id}
    if status == 402 or code in FINAL:
        headers["x-should-retry"] = "false"
    if error.retry_seconds is not None:
        # Clients do not try again at all when they are to wait longer.
        headers["Retry-After"] = str(min(60, max(1, error.retry_seconds)))
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JsonResponse(body, status=status, headers=headers)


#: What Anthropic's clients know errors by.
ANTHROPIC_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def anthropic_envelope(error: DomainError, *, request_id: str) -> dict[str, Any]:
    """The body for an error of /v1/messages (design: gateway, A.5)."""
    status = anthropic_status(error)
    kind = ANTHROPIC_TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    of_openai = envelope(error)["error"]
    more = {name: of_openai[name] for name in ("code", "metadata") if of_openai.get(name)}
    where = f"{of_openai['param']}: " if of_openai["param"] else ""
    inner = {"type": kind, "message": f"{where}{of_openai['message']}", **more}
    return {"type": "error", "error": inner, "request_id": request_id}


def anthropic_status(error: DomainError) -> int:
    """Overload has a status of its own there."""
    status, _ = meaning(error)
    return 529 if status == 503 else status


def not_found() -> HttpError:
    """The error for an address that there is not."""
    return HttpError(404, "not_found", NO_ADDRESS)


def _param_of(path: Path) -> str | None:
    """A path as OpenAI writes it: `messages[0].content`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or None


def _snake(value: Any) -> Any:
    """The same with names as OpenAI has them."""
    if isinstance(value, Mapping):
        return {re.sub("([A-Z])", r"_\1", name).lower(): _snake(v) for name, v in value.items()}
    return [_snake(each) for each in value] if isinstance(value, list) else value
