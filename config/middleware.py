"""What every answer of the site has in common, whoever made it."""

from http import HTTPStatus

from django.conf import settings
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponsePermanentRedirect,
)
from django.middleware.common import CommonMiddleware
from django.utils.cache import add_never_cache_headers
from django.utils.deprecation import MiddlewareMixin

from config.errors import DEFAULTS, DomainError, HttpError, error_response, json_response

NO_DEVICES = "camera=(), geolocation=(), microphone=()"
#: For pages that take dictation.
MICROPHONE = "camera=(), geolocation=(), microphone=(self)"


class NoStoreByDefaultMiddleware(MiddlewareMixin):
    """Forbids caches to keep an answer that says nothing of them: nearly all show what is one
    person's, and the next at this browser must not see it by going back."""

    def process_response(self, _: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if "Cache-Control" not in response.headers:
            add_never_cache_headers(response)
        return response


class PermissionsPolicyMiddleware(MiddlewareMixin):
    """Forbids pages the devices of the reader, where a view does not allow one:
    https://www.w3.org/TR/permissions-policy/."""

    def process_response(self, _: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        response.headers.setdefault("Permissions-Policy", NO_DEVICES)
        return response


class ErrorMiddleware(MiddlewareMixin):
    """Answers for domain errors of plain views, and gives errors below /api/ that are not JSON the
    shape of all others: a plain view's 405, a CSRF refusal, Django's own pages (with DEBUG they
    hold a traceback)."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        is_json = response.headers.get("Content-Type", "").startswith("application/json")
        if response.status_code < 400 or is_json or not request.path.startswith("/api/"):
            return response
        status = response.status_code
        code, message = DEFAULTS.get(status, (f"http_{status}", f"{HTTPStatus(status).phrase}."))
        names = ("Allow", "Retry-After", "WWW-Authenticate")
        kept = {name: response.headers[name] for name in names if name in response.headers}
        return json_response(HttpError(status, code, message, headers=kept))

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return error_response(request, exception) if isinstance(exception, DomainError) else None


class HostMiddleware(CommonMiddleware):
    """Refuses names that the site does not answer to. Balancers ask the probes by the address of a
    machine, and those tell nobody anything."""

    def process_request(self, request: HttpRequest) -> HttpResponsePermanentRedirect | None:
        is_probe = request.path_info in settings.PROBE_PATHS
        return None if is_probe else super().process_request(request)
