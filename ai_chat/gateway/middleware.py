"""The middleware of /v1: its calls pass none of that of the pages."""

import logging
import re
from collections.abc import Callable
from uuid import uuid4

from django.core.signals import got_request_exception
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import resolve

from ai_chat.calls.counts import count
from ai_chat.gateway.errors import error_response, meaning, not_found
from ai_chat.gateway.kept_answers import BEGUN, keep_answer
from ai_chat.gateway.repeats import AnsweredBefore
from config.errors import DomainError, HttpError, domain_error_of

logger = logging.getLogger(__name__)

#: What an SDK says of itself.
STAINLESS = [
    *("arch", "async", "custom-poll-interval", "helper-method", "lang", "os", "package-version"),
    *("poll-helper", "read-timeout", "retry-count", "runtime", "runtime-version", "timeout"),
]
ALLOWED = [
    *("Authorization", "Content-Type", "Accept", "User-Agent", "x-api-key", "Idempotency-Key"),
    *("anthropic-version", "anthropic-beta", "anthropic-dangerous-direct-browser-access"),
    *("OpenAI-Organization", "OpenAI-Project", "OpenAI-Beta"),
    *("X-Price-Version", "X-Max-Credits", "X-Tally-Clamp"),
    *(f"x-stainless-{name}" for name in STAINLESS),
]
#: Further headers that a page may send: SDKs think of new ones.
ALLOWED_TOO = re.compile("[a-z0-9-]{1,60}")
#: Browsers of other origins may call, and read every header: no cookie is looked at, and whoever
#: has a key may use it.
CORS = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "*"}
PREFLIGHT = {
    **CORS,
    "Access-Control-Allow-Methods": "GET, POST, DELETE, OPTIONS",
    "Access-Control-Max-Age": "86400",
}


class GatewayMiddleware:
    """Answers requests below /v1, without sessions and cookies. Every answer has a request id,
    every error OpenAI's envelope."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith("/v1/"):
            return self.get_response(request)
        if request.method == "OPTIONS":
            return HttpResponse(status=204, headers={**PREFLIGHT, **_allowed(request)})
        request_id = f"req_{uuid4().hex}"
        request.META["REQUEST_ID"] = request_id
        code = ""
        try:
            response = keep_answer(request, _answer(request))
        except AnsweredBefore as repeated:
            response = repeated.response
        except Exception as error:  # noqa: BLE001 -- what nobody foresaw is logged and answered
            domain_error = _domain_error(request, error)
            code = meaning(domain_error)[1]
            response = error_response(domain_error, path=request.path_info, request_id=request_id)
        if BEGUN not in request.META:  # A call is counted when it has ended.
            count(
                key_id=request.META.get("API_KEY_ID"),
                endpoint=request.META.get("API_ENDPOINT", ""),
                status=response.status_code,
                code=code,
            )
        for name, value in CORS.items():
            response[name] = value
        response["x-request-id"] = response["request-id"] = request_id
        response.setdefault("Cache-Control", "no-store")
        return response


def _allowed(request: HttpRequest) -> dict[str, str]:
    """The headers that a page of another origin may send."""
    wanted = request.headers.get("Access-Control-Request-Headers", "").lower().split(",")[:50]
    listed = {name.lower() for name in ALLOWED}
    more = [name for name in map(str.strip, wanted) if ALLOWED_TOO.fullmatch(name)]
    names = [*ALLOWED, *(name for name in dict.fromkeys(more) if name not in listed)]
    return {"Access-Control-Allow-Headers": ", ".join(names)}


def request_id_of(request: HttpRequest) -> str:
    """What the log, the journal and the answer call this request."""
    return str(request.META["REQUEST_ID"])


def _answer(request: HttpRequest) -> HttpResponseBase:
    request.get_host()  # Raises for names that the site does not answer to.
    try:
        match = resolve(request.path_info, "ai_chat.gateway.urls")
    except Http404:
        raise not_found() from None
    request.META["API_ENDPOINT"] = match.route.removeprefix("v1/")
    response: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
    return response


def _domain_error(request: HttpRequest, error: Exception) -> DomainError:
    domain_error = domain_error_of(error)
    if domain_error is None:
        logger.error("%s failed", request_id_of(request), exc_info=error)
        got_request_exception.send(sender=GatewayMiddleware, request=request)
    return domain_error or HttpError(500)
