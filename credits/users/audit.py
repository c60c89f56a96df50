"""The record of what admins do: append-only rows, each in the transaction of what it tells of."""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from django.http import HttpRequest, HttpResponseBase

from credits.models import AuditEntry, User
from credits.users.addresses import client_address

#: Where the work at hand was asked for: the address of a request, else a command or a job.
origin: ContextVar[str] = ContextVar("origin", default="command")


class OriginMiddleware:
    """Lets `record` know where a request came from, without every service passing it on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        token = origin.set(client_address(request))
        try:
            return self.get_response(request)
        finally:
            origin.reset(token)


def record(
    *,
    actor: User | None,
    action: str,
    target: str = "",
    user_id: int | None = None,
    before: Any = None,
    after: Any = None,
    reason: str = "",
) -> AuditEntry:
    """Writes down what an admin did. Called inside the transaction that does it: either both stand
    or neither. `before` and `after` are JSON; no secret and no message body belongs there."""
    return AuditEntry.objects.create(
        actor=actor,
        actor_name=str(actor) if actor else "",
        action=action,
        target=target,
        user_id=user_id,
        before=before,
        after=after,
        reason=reason,
        origin=origin.get(),
    )
