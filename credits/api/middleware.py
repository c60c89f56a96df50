"""One shape of error below /api/, also for what no view has seen."""

from collections.abc import Callable
from http import HTTPStatus

from django.http import HttpRequest, HttpResponseBase, JsonResponse

type GetResponse = Callable[[HttpRequest], HttpResponseBase]

#: The headers an error answer keeps when its body is replaced.
KEPT = ("Allow", "Retry-After", "WWW-Authenticate")
CODES = {
    400: ("invalid", "This request could not be understood."),
    403: ("forbidden", "You may not do this."),
    404: ("not_found", "There is nothing here."),
    405: ("method_not_allowed", "This address does not take that method."),
    412: ("precondition_failed", "It is not in the state that the request names."),
    500: ("server_error", "Something went wrong on our side."),
}


class ApiErrorShape:
    """Gives errors below /api/ that are not JSON the shape of all others: a plain view's 405, a
    CSRF refusal, Django's own pages (with DEBUG they hold a traceback)."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if response.status_code < 400 or not request.path.startswith("/api/"):
            return response
        if response.headers.get("Content-Type", "").startswith("application/json"):
            return response
        return _reshaped(response)


def _reshaped(response: HttpResponseBase) -> JsonResponse:
    status = response.status_code
    default = (f"http_{status}", f"{HTTPStatus(status).phrase}.")
    code, message = CODES.get(status, default)
    kept = {name: response.headers[name] for name in KEPT if name in response.headers}
    return JsonResponse({"error": code, "message": message}, status=status, headers=kept)
