"""What is answered when something goes wrong: a page for people, JSON below /api/. No handler asks
the database anything, because it may be what failed."""

import sys

from django.core.exceptions import RequestDataTooBig
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string

RETRY_SECONDS = 5


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """400, and 413 when the body was larger than DATA_UPLOAD_MAX_MEMORY_SIZE."""
    if isinstance(exception, RequestDataTooBig):
        return _answer(request, 413, "too_large", "This is more than can be sent at once.")
    return _answer(request, 400, "invalid", "This request could not be understood.")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    return _answer(request, 403, "forbidden", "You may not do this.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    return _answer(request, 404, "not_found", "There is nothing here.")


def server_error(request: HttpRequest) -> HttpResponseBase:
    """500; 503 when the database did not answer or the pool of connections was empty."""
    if isinstance(sys.exc_info()[1], OperationalError):
        answer = _answer(request, 503, "unavailable", "The site is busy. Try again in a moment.")
        answer["Retry-After"] = str(RETRY_SECONDS)
        return answer
    return _answer(request, 500, "server_error", "Something went wrong on our side.")


def _answer(request: HttpRequest, status: int, code: str, message: str) -> HttpResponseBase:
    if request.path.startswith("/api/"):
        return JsonResponse({"error": code, "message": message}, status=status)
    if status >= 500:
        return HttpResponse(render_to_string(f"{status}.html"), status=status)
    return render(request, f"{status}.html", status=status)
