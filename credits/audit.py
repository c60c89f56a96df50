"""The audit log of what admins do: append-only rows, each in the transaction of what it records."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from credits.exceptions import OwnAccount
from credits.models import Approval, AuditEntry, User

#: The client address of the present request; else a command or a job.
origin: ContextVar[str] = ContextVar("origin", default="command")
#: Rows of a movement that are kept for a request: an import's plans.
EFFECTS_KEPT = 500


@dataclass
class Movement:
    """A change by an admin (None: a command) while it is made, with its approval by a second admin
    if it has one. It sums up what was recorded of it: credits, and the `effects` of each row."""

    actor: User | None
    approval: Approval | None = None
    credits: int = 0
    usage_id: int | None = None
    effects: list[dict[str, Any]] = field(default_factory=list)

    @property
    def approved_by(self) -> User | None:
        return self.approval.decided_by if self.approval else None


movement: ContextVar[Movement | None] = ContextVar("movement", default=None)


@contextmanager
def moving(change: Movement) -> Iterator[Movement]:
    """Entries that are recorded within this block belong to this change."""
    token = movement.set(change)
    try:
        yield change
    finally:
        movement.reset(token)


def record(
    *,
    actor: User | str | None,
    action: str,
    target: str = "",
    user_id: int | None = None,
    before: Any = None,
    after: Any = None,
    reason: str = "",
    credits: int = 0,
    usage_id: int | None = None,
) -> AuditEntry:
    """Records what an admin did, within the transaction that does it; `actor` may be the name of a
    program. `before` and `after` are JSON, without secrets and message bodies.
    `credits` says how many were moved, or may be, and `usage_id` by which row of the journal: of an
    admin, that is part of a movement (`credits.approvals`).

    Raises OwnAccount when they are those of the actor or of the approving admin.
    """
    change = movement.get()
    admin = actor if isinstance(actor, User) else None
    approved_by = change.approved_by if change else None
    if credits:
        if admin and change is None:
            raise RuntimeError(f"{action} moves credits, and credits.approvals was not asked.")
        if user_id in {each.pk for each in (admin, approved_by) if each}:
            raise OwnAccount
    if change:
        change.credits += credits
        change.usage_id = usage_id or change.usage_id
        if len(change.effects) < EFFECTS_KEPT:
            change.effects.append({"target": target, "before": before, "after": after})
    return AuditEntry.objects.create(
        actor=admin,
        actor_name=str(actor or ""),
        action=action,
        target=target,
        user_id=user_id,
        before=before,
        after=after,
        reason=reason,
        credits=credits,
        usage_id=usage_id,
        approved_by=approved_by if credits else None,
        origin=origin.get(),
    )
