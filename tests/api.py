"""Calling the JSON API in tests, without a server."""

from typing import Any

from django.test import Client

from credits.models import User

BACKEND = "credits.users.sessions.AccountBackend"


class Api(Client):
    """Django's test client speaking JSON, as `user` (nobody if None). A 500 is an answer here."""

    def __init__(self, user: User | None = None, **options: Any) -> None:
        super().__init__(raise_request_exception=False, **options)
        if user:
            self.force_login(user, backend=BACKEND)

    def send(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """`body` is Python for JSON, or bytes to be sent as they are."""
        options.setdefault("content_type", "application/json")
        call = getattr(self, method.lower())
        return call(path, body, **options)


def assert_problem(response: Any, status: int, code: str) -> dict[str, Any]:
    """The answer is an error of this status and code, in the shape of all errors."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    body: dict[str, Any] = response.json()
    assert body["error"] == code, body
    assert isinstance(body["message"], str)
    assert body["message"]
    return body
