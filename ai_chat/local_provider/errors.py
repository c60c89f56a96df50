"""Errors in OpenAI's shape."""

from http import HTTPStatus
from typing import Any

# OpenAI groups its errors by type; the code says which one it is.
_TYPES = {
    HTTPStatus.UNAUTHORIZED: "authentication_error",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
    HTTPStatus.INTERNAL_SERVER_ERROR: "server_error",
}


class ApiError(Exception):
    """An answer other than success: an HTTP status and OpenAI's error object."""

    def __init__(
        self, status: int, message: str, *, code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = HTTPStatus(status)
        self.code = code
        self.param = param

    def body(self) -> dict[str, Any]:
        """The JSON body, which is also what an error inside a stream looks like."""
        kind = _TYPES.get(self.status, "invalid_request_error")
        error = {"message": str(self), "type": kind, "param": self.param, "code": self.code}
        return {"error": error}
