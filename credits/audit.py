"""The record of what admins do: append-only rows, each in the transaction of what it records."""

from contextvars import ContextVar
from typing import Any

from credits.models import AuditEntry, User

#: Where the work at hand was asked for: the address of a request, else a command or a job.
origin: ContextVar[str] = ContextVar("origin", default="command")


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
    """Writes down what an admin did, within the transaction that does it. `before` and `after` are
    JSON, without secrets and message bodies."""
    change = {"target": target, "user_id": user_id, "before": before, "after": after}
    who = {"actor": actor, "actor_name": str(actor) if actor else "", "origin": origin.get()}
    return AuditEntry.objects.create(**who, **change, action=action, reason=reason)
