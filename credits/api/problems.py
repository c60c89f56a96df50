"""What an error means to a client: one table from exception to status, code and sentence. The JSON
API answers with it; pages may ask it too.

Every error body is `{"error": code, "message": sentence, …}`; an invalid body or query has `issues`
besides."""

from collections.abc import Callable, Mapping
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404
from django.http.multipartparser import MultiPartParserError
from django.http.request import UnreadablePostError
from rest_framework import exceptions as drf
from rest_framework.response import Response

from config.errors import RETRY_SECONDS
from credits.catalogue import services
from credits.exceptions import (
    ChargeHeld,
    IdempotencyConflict,
    InsufficientCredits,
    LedgerError,
    NotACharge,
    PriceChanged,
    RefundTooLarge,
)
from credits.features import UnknownFeature


class Problem(Exception):
    """An answer that is an error. Views raise it for what has no exception of its own; `extra`
    are further members of the body, in camelCase."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        self.body = {"error": code, "message": message, **extra}


type Translation = Callable[[Any], Problem]

#: The nearest class in an exception's ancestry decides. Apps above add their own exceptions.
PROBLEMS: dict[type[Exception], Translation] = {
    InsufficientCredits: lambda e: Problem(
        402, "insufficient_credits", str(e), required=e.required, available=e.available
    ),
    PriceChanged: lambda e: Problem(
        409, "price_changed", str(e), agreed=e.agreed, unitCost=e.unit_cost
    ),
    IdempotencyConflict: lambda e: Problem(422, "idempotency_conflict", str(e)),
    ChargeHeld: lambda e: Problem(409, "charge_held", str(e), headers={"Retry-After": "2"}),
    RefundTooLarge: lambda e: Problem(409, "refund_too_large", str(e), available=e.available),
    NotACharge: lambda e: Problem(404, "not_found", str(e)),
    LedgerError: lambda e: Problem(400, "invalid", str(e)),
    UnknownFeature: lambda e: Problem(400, "invalid", str(e)),
    services.ChangedMeanwhile: lambda e: Problem(
        409, "changed_meanwhile", str(e), version=e.version
    ),
    services.DuplicatePlan: lambda e: Problem(409, "duplicate", str(e)),
    services.UnknownPlan: lambda e: Problem(404, "not_found", str(e)),
    services.InvalidValue: lambda e: invalid([issue(e.path, str(e))]),
    drf.ValidationError: lambda e: invalid(issues_of(e.detail)),
    drf.ParseError: lambda e: Problem(400, "malformed", str(e.detail)),
    drf.NotAuthenticated: lambda e: _unauthenticated(e, "Sign in, or send a token, to do this."),
    drf.AuthenticationFailed: lambda e: _unauthenticated(e, str(e.detail)),
    drf.PermissionDenied: lambda e: _forbidden(e.detail),
    drf.MethodNotAllowed: lambda e: Problem(405, "method_not_allowed", str(e.detail)),
    drf.UnsupportedMediaType: lambda _: Problem(
        415, "unsupported_media_type", "Send the body as application/json."
    ),
    drf.Throttled: lambda e: too_many(e.wait or 1),
    drf.NotFound: lambda _: not_found(),
    drf.APIException: lambda e: Problem(e.status_code, e.default_code, str(e.detail)),
    Http404: lambda _: not_found(),
    PermissionDenied: lambda _: _forbidden(""),
    RequestDataTooBig: lambda _: Problem(413, "too_large", "The body is larger than is taken."),
    SuspiciousOperation: lambda _: _unreadable(),
    MultiPartParserError: lambda _: _unreadable(),
    UnreadablePostError: lambda _: _unreadable(),
    OperationalError: lambda _: _unavailable(),
    InterfaceError: lambda _: _unavailable(),
}


def problem_of(error: Exception) -> Problem | None:
    """What to answer for an exception; None for one that nobody foresaw, which is a 500."""
    if isinstance(error, Problem):
        return error
    for kind in type(error).__mro__:
        if kind in PROBLEMS:
            return PROBLEMS[kind](error)
    return None


def answer(error: Exception, _context: Mapping[str, Any]) -> Response | None:
    """The JSON API's exception handler. What it does not know goes on to `config.errors`."""
    problem = problem_of(error)
    if problem is None:
        return None
    authenticate = getattr(error, "auth_header", None)
    headers = {"WWW-Authenticate": authenticate} if authenticate else {}
    return Response(problem.body, status=problem.status, headers={**headers, **problem.headers})


def invalid(issues: list[dict[str, Any]]) -> Problem:
    """A body or query that is not what the call takes; each issue has the path of its field."""
    first = issues[0]
    where = ".".join(str(part) for part in first["path"])
    message = f"{where}: {first['message']}" if where else first["message"]
    return Problem(400, "invalid", message, issues=issues)


def not_found() -> Problem:
    return Problem(404, "not_found", "There is nothing here.")


def too_many(seconds: float, message: str = "") -> Problem:
    """A limit beside money; `seconds` until it is worth trying again."""
    wait = str(max(1, round(seconds)))
    sentence = message or f"That was too much at once. Try again in {wait} seconds."
    return Problem(429, "too_many_requests", sentence, headers={"Retry-After": wait})


def issue(path: tuple[str | int, ...], message: str) -> dict[str, Any]:
    return {"path": list(path), "message": message}


def issues_of(detail: Any, path: tuple[str | int, ...] = ()) -> list[dict[str, Any]]:
    """The leaves of a serializer's errors, each with the path of its field."""
    if isinstance(detail, Mapping):
        return [
            found
            for key, value in detail.items()
            for found in issues_of(value, path if key == "non_field_errors" else (*path, key))
        ]
    if isinstance(detail, list):
        return [found for value in detail for found in issues_of(value, path)]
    return [issue(path, str(detail))]


def _unauthenticated(error: drf.APIException, message: str) -> Problem:
    return Problem(error.status_code, "unauthenticated", message)


def _forbidden(detail: str) -> Problem:
    if getattr(detail, "code", "") == "confirmation_required":
        return Problem(403, "confirmation_required", str(detail))
    if detail.startswith("CSRF"):
        return Problem(403, "csrf_failed", "Send the CSRF token of this session with the request.")
    return Problem(403, "forbidden", "You may not do this.")


def _unreadable() -> Problem:
    return Problem(400, "malformed", "This request could not be understood.")


def _unavailable() -> Problem:
    message = "The site is busy. Try again in a moment."
    return Problem(503, "unavailable", message, headers={"Retry-After": str(RETRY_SECONDS)})
