"""What handling an event of Clerk's changed, as JSON: kept with the delivery
(`WebhookDelivery.effects`) and shown to admins."""

from dataclasses import dataclass, field
from typing import Any

from credits.models import WebhookDelivery

type Change = dict[str, Any]

Note = WebhookDelivery.Note
#: Of several results' notes, the first of these is kept.
GRAVITY = (Note.MALFORMED, Note.UNMAPPED_PLAN, Note.UNSUPPORTED_PAYER, Note.DELETED_USER)
#: What can change, in the order in which admins see it: an account (`done` is created, updated
#: or deleted; `fields` are names only: values are personal data), the state of an item or payment
#: (`before` and `after`), a session that ended, a new grant, the end of a grant.
ORDER = ("account", "item", "payment", "session", "grant", "end")


def change(what: str, key: int | str | None, **details: Any) -> Change:
    return {"what": what, "id": key, **details}


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
