"""Every error that the site answers with. Errors of our own carry their status, code and members
(`DomainError`); `FRAMEWORK_ERRORS` says what those of Django, DRF and the database mean;
`error_response` makes JSON (`{"error": code, "message": sentence, …}`) of any of them below /api/,
and a page elsewhere. Nothing here asks the database, because it may be what failed."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from django.core import exceptions as django
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.http.request import UnreadablePostError
from django.template.loader import render_to_string
from rest_framework import exceptions as drf
from rest_framework.utils.encoders import JSONEncoder

#: Seconds after which it is worth asking again while the database does not answer.
RETRY_SECONDS = 5
#: Statuses that have a page of their own; others are shown on `error.html`.
PAGES = {400, 403, 404, 413, 500, 503}
#: The code and the sentence of a status, where an error has none of its own.
DEFAULTS = {
    400: ("invalid", "This request could not be understood."),
    401: ("unauthenticated", "Sign in, or send a token, to do this."),
    403: ("forbidden", "You may not do this."),
    404: ("not_found", "There is nothing here."),
    405: ("method_not_allowed", "This address does not take that method."),
    408: ("too_slow", "The body did not come in time."),
    412: ("precondition_failed", "It is not in the state that the request names."),
    413: ("too_large", "The body is larger than is taken."),
    415: (
        "unsupported_media_type",
        "Send JSON as application/json, a file as multipart/form-data.",
    ),
    500: ("server_error", "Something went wrong on our side."),
    503: ("unavailable", "The site is busy. Try again in a moment."),
}

#: Issues in one answer, and characters of a message or a key in it: any number of fields may be
#: wrong, and keys are the client's.
MAX_ISSUES = 10
MAX_ISSUE_CHARS = 300

type Path = tuple[str | int, ...]
type Issue = dict[str, Any]


class DomainError(Exception):
    """A request that was refused for a reason the client may know. The message is a sentence for
    people, `members` are further members of the JSON body (camelCase), `headers` of the answer."""

    status = 400
    code = "invalid"
    #: The template of its page; none: that of the status.
    template = ""
    #: Seconds until it is worth trying again (Retry-After); None where waiting does not help.
    retry_seconds: int | None = None

    def __init__(
        self, message: str = "", *, headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(message)
        self.headers = dict(headers or {})
        self.members = members

    @property
    def body(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        return {"error": self.code, "message": str(self), **self.members}


def error_text(error: BaseException) -> str:
    """The kind of an error and what it says, to be kept. Of what a database says the first line:
    the others name the values of rows, which may be somebody's address."""
    said = str(error)
    if isinstance(error, DatabaseError):
        said = said.partition("\n")[0]
    return f"{type(error).__name__}: {said}"


class HttpError(DomainError):
    """An error that needs no class of its own. Without a code and a message it says what its
    status means."""

    def __init__(self, status: int, code: str = "", message: str = "", **options: Any) -> None:
        default_code, default_message = DEFAULTS.get(status, ("", ""))
        super().__init__(message or default_message, **options)
        self.status = status
        self.code = code or default_code
        self.retry_seconds = RETRY_SECONDS if status == 503 else None


class InvalidInput(DomainError):
    """A body, query or form is not what is taken. `path` names the field from the outside in."""

    path: Path = ()

    def __init__(self, message: str, path: Path | None = None) -> None:
        first = issue(self.path if path is None else path, message)
        super().__init__(first["message"])
        self.path = tuple(first["path"])
        self.issues = [first]

    @classmethod
    def of(cls, issues: Sequence[Issue]) -> "InvalidInput":
        """One error of several issues; it is named after the first."""
        error = cls(issues[0]["message"], tuple(issues[0]["path"]))
        error.issues = list(issues[:MAX_ISSUES])
        return error

    @property
    def body(self) -> dict[str, Any]:
        where = ".".join(str(part) for part in self.path)
        message = f"{where}: {self}" if where else str(self)
        return {"error": self.code, "message": message, "issues": self.issues}


class TooManyRequests(DomainError):
    """A limit beside money was reached; `retry_seconds` until it is worth trying again."""

    status = 429
    code = "too_many_requests"

    def __init__(self, message: str, *, retry_seconds: int) -> None:
        super().__init__(message)
        self.retry_seconds = retry_seconds


class Busy(DomainError):
    """This process has no thread or memory left for the request."""

    status = 503
    code = "unavailable"
    retry_seconds = 2

    def __init__(self) -> None:
        super().__init__("The site is busy. Try again in a moment; nothing was charged.")


def issue(path: Path, message: str) -> Issue:
    """What is wrong with one field of the input."""
    return {"path": [_shortened(part) for part in path], "message": _shortened(message)}


def _shortened[T](part: T) -> T | str:
    if isinstance(part, str) and len(part) > MAX_ISSUE_CHARS:
        return f"{part[:MAX_ISSUE_CHARS]}…"
    return part


def issues_of(detail: Any) -> list[Issue]:
    """The first MAX_ISSUES leaves of a serializer's errors, each with the path of its field."""
    return [issue(path, message) for path, message in islice(_leaves(detail, ()), MAX_ISSUES)]


def _leaves(detail: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(detail, Mapping):
        for key, value in detail.items():
            yield from _leaves(value, path if key == "non_field_errors" else (*path, key))
    elif isinstance(detail, list):
        for value in detail:
            yield from _leaves(value, path)
    else:
        yield path, str(detail)


def _unauthenticated(error: drf.APIException, message: str) -> HttpError:
    challenge = getattr(error, "auth_header", "")
    headers = {"WWW-Authenticate": challenge} if challenge else {}
    return HttpError(error.status_code, "unauthenticated", message, headers=headers)


def _forbidden(error: drf.PermissionDenied) -> HttpError:
    if str(error.detail).startswith("CSRF"):
        message = "Send the CSRF token of this session with the request."
        return HttpError(403, "csrf_failed", message)
    return HttpError(403)


#: What errors of the frameworks mean. The nearest class among an exception's ancestors decides.
FRAMEWORK_ERRORS: dict[type[Exception], Callable[[Any], DomainError]] = {
    drf.ValidationError: lambda e: InvalidInput.of(issues_of(e.detail)),
    drf.ParseError: lambda e: HttpError(400, "malformed", str(e.detail)),
    drf.NotAuthenticated: lambda e: _unauthenticated(e, DEFAULTS[401][1]),
    drf.AuthenticationFailed: lambda e: _unauthenticated(e, str(e.detail)),
    drf.PermissionDenied: _forbidden,
    drf.NotFound: lambda _: HttpError(404),
    drf.MethodNotAllowed: lambda e: HttpError(405, message=str(e.detail)),
    drf.UnsupportedMediaType: lambda _: HttpError(415),
    drf.APIException: lambda e: HttpError(e.status_code, e.default_code, str(e.detail)),
    Http404: lambda _: HttpError(404),
    django.PermissionDenied: lambda _: HttpError(403),
    django.RequestDataTooBig: lambda _: HttpError(413),
    django.BadRequest: lambda _: HttpError(400),
    django.DisallowedHost: lambda _: HttpError(400),
    django.SuspiciousOperation: lambda _: HttpError(400, "malformed"),
    MultiPartParserError: lambda _: HttpError(400, "malformed"),
    UnreadablePostError: lambda _: HttpError(400, "malformed"),
    OperationalError: lambda _: HttpError(503),
    InterfaceError: lambda _: HttpError(503),
}


def domain_error_of(error: BaseException | None) -> DomainError | None:
    """What to answer for an exception; None for one that nobody foresaw, which is a 500."""
    if isinstance(error, DomainError):
        return error
    for kind in type(error).__mro__:
        if kind in FRAMEWORK_ERRORS:
            return FRAMEWORK_ERRORS[kind](error)
    return None


def error_response(request: HttpRequest, error: DomainError) -> HttpResponse:
    """The answer for an error: JSON below /api/, a page elsewhere."""
    # From 500 on without the request: its context asks the database for the meter.
    return response_to(request.path, error, request if error.status < 500 else None)


def response_to(path: str, error: DomainError, request: HttpRequest | None = None) -> HttpResponse:
    """The same before there is a request object; `path` is the address."""
    if path.startswith("/api/"):
        return json_response(error)
    usual = f"{error.status}.html" if error.status in PAGES else "error.html"
    page = render_to_string(error.template or usual, {"error": error}, request)
    return HttpResponse(page, status=error.status, headers=_headers(error))


def json_response(error: DomainError) -> JsonResponse:
    """The answer for an error as JSON, wherever it was asked for."""
    return JsonResponse(error.body, JSONEncoder, status=error.status, headers=_headers(error))


def _headers(error: DomainError) -> dict[str, str]:
    seconds = error.retry_seconds
    return error.headers if seconds is None else {**error.headers, "Retry-After": str(seconds)}


def api_exception_handler(error: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """DRF's EXCEPTION_HANDLER. What nobody foresaw goes on to `server_error`."""
    known = domain_error_of(error)
    return error_response(context["request"], known) if known else None


def client_error(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Django's handler400, handler403 and handler404; 413 for a body that is too large."""
    return error_response(request, domain_error_of(exception) or HttpError(400))


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Django's handler500; 503 when the database did not answer or its pool was empty."""
    return error_response(request, domain_error_of(sys.exc_info()[1]) or HttpError(500))
