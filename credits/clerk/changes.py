"""What handling an event of Clerk's changed, as JSON: kept with the delivery
(`WebhookDelivery.effects`) and shown to admins."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from credits.models import WebhookDelivery

type Change = dict[str, Any]

Note = WebhookDelivery.Note
#: In which order admins ask what a delivery changed.
ORDER = ("account", "item", "payment", "session", "grant", "end")
#: Of several results' notes, the first of these is kept.
GRAVITY = (Note.MALFORMED, Note.UNMAPPED_PLAN, Note.UNSUPPORTED_PAYER, Note.DELETED_USER)


@dataclass(frozen=True)
class Result:
    """What a handler did; `granted` are the credits that plans brought in."""

    note: str = Note.NONE
    changes: list[Change] = field(default_factory=list)
    granted: int = 0


def combine(results: list[Result]) -> Result:
    """One result of several, with the gravest note."""
    notes = {result.note for result in results}
    return Result(
        next((note for note in GRAVITY if note in notes), Note.NONE),
        [change for result in results for change in result.changes],
        sum(result.granted for result in results),
    )


def account_changed(user_id: int | None, done: str, fields: list[str] | None = None) -> Change:
    """An account was created, updated or deleted. Names of fields only: their values are personal
    data, which has to go when its owner is deleted."""
    return {"what": "account", "id": user_id, "done": done, "fields": fields or []}


def state_changed(what: str, key: str, before: Any, after: Any) -> list[Change]:
    """An item or a payment has another state; `before` is None for a new one."""
    if before == after:
        return []
    return [{"what": what, "id": key, "before": before, "after": after}]


def session_ended(sid: str) -> Change:
    """A session at Clerk ended, and ours with it."""
    return {"what": "session", "id": sid}


def grant_added(grant_id: int) -> Change:
    """Credits came in."""
    return {"what": "grant", "id": grant_id}


def expiry_moved(grant_id: int, before: datetime | None, after: datetime | None) -> Change:
    """A grant ends at another moment."""
    ends = [at.isoformat() if at else None for at in (before, after)]
    return {"what": "end", "id": grant_id, "before": ends[0], "after": ends[1]}
