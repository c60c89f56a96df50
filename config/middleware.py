"""What every answer of the site has in common, whoever made it."""

from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponsePermanentRedirect,
    JsonResponse,
)
from django.middleware.common import CommonMiddleware
from django.utils.cache import add_never_cache_headers

from config.errors import DEFAULTS, DomainError, HttpError, error_response, json_response

type GetResponse = Callable[[HttpRequest], HttpResponseBase]

#: The headers that an error keeps when its body is replaced.
KEPT_HEADERS = ("Allow", "Retry-After", "WWW-Authenticate")


class NoStoreByDefaultMiddleware:
    """Forbids caches to keep an answer that says nothing of them: nearly all show what is one
    person's, and the next at this browser must not see it by going back."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if "Cache-Control" not in response.headers:
            add_never_cache_headers(response)
        return response


class ErrorMiddleware:
    """Answers for domain errors of plain views, and gives errors below /api/ that are not JSON the
    shape of all others: a plain view's 405, a CSRF refusal, Django's own pages (with DEBUG they
    hold a traceback)."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if response.status_code < 400 or not request.path.startswith("/api/"):
            return response
        if response.headers.get("Content-Type", "").startswith("application/json"):
            return response
        return _as_json(response)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return error_response(request, exception) if isinstance(exception, DomainError) else None


def _as_json(response: HttpResponseBase) -> JsonResponse:
    status = response.status_code
    code, message = DEFAULTS.get(status, (f"http_{status}", f"{HTTPStatus(status).phrase}."))
    kept = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    return json_response(HttpError(status, code, message, headers=kept))


class HostMiddleware(CommonMiddleware):
    """Refuses names that the site does not answer to. Balancers ask the probes by the address of a
    machine, and those tell nobody anything."""

    def process_request(self, request: HttpRequest) -> HttpResponsePermanentRedirect | None:
        is_probe = request.path_info in settings.PROBE_PATHS
        return None if is_probe else super().process_request(request)
