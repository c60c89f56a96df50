"""What each kind of event does. Handlers run in the delivery's transaction and return a Result."""

import re
from typing import Any, NamedTuple

from credits.clerk import identity
from credits.clerk.billing.subscriptions import apply_item, record_payment
from credits.clerk.changes import Note, Result, combine
from credits.clerk.parsing import (
    Json,
    Payer,
    as_id,
    as_ms,
    as_object,
    as_objects,
    parse_item,
    parse_payer,
    parse_payment,
    parse_person,
)

#: Families whose events are kept and need nothing done.
QUIET = re.compile(
    "email|sms|organization(Domain|Membership|Invitation)?|role|permission|waitlistEntry"
)


class Event(NamedTuple):
    """A verified event; `seen` (ms) stands in for versions that carry no time of their own."""

    type: str
    instance_id: str
    data: Json
    seen: int

    @property
    def family(self) -> str:
        return self.type.partition(".")[0]


def read_event(payload: Json, *, received_ms: int) -> Event:
    """The event of a verified payload; `received_ms` counts where it names no time."""
    instance_id, seen = as_id(payload.get("instance_id")), as_ms(payload.get("timestamp"))
    data = as_object(payload["data"])
    return Event(str(payload["type"]), instance_id, data, seen or received_ms)


def payer_of(event: Event) -> Payer:
    """Whom the event is about, for the inbox."""
    if event.family == "user":
        return Payer.of_user(as_id(event.data.get("id")))
    payer = parse_payer(event.data.get("payer"))
    if payer.id:
        return payer
    # Sessions, letters, messages and memberships are about a user too.
    member = as_object(event.data.get("public_user_data"))
    return Payer.of_user(as_id(event.data.get("user_id") or member.get("user_id")))


def handle(event: Event) -> Result:  # noqa: PLR0911 - a table of events
    """Applies an event. Unknown types are noted, never refused: Clerk adds new ones."""
    match event.family, event.type.partition(".")[2]:
        case "user", action:
            return _user(event.data, deleted=action == "deleted")
        case "session", "ended" | "removed" | "revoked":
            if not (sid := as_id(event.data.get("id"))):
                return Result(Note.MALFORMED)
            clerk_id = as_id(event.data.get("user_id"))
            return Result(changes=identity.end_session(sid=sid, clerk_id=clerk_id))
        case "session", "created" | "pending":
            return Result()
        case "subscriptionItem", _:
            return _item(event, event.data)
        case "subscription", _:
            return combine([_item(event, item) for item in as_objects(event.data.get("items"))])
        case "paymentAttempt", _:
            return _payment(event)
    return Result(Note.NONE if QUIET.fullmatch(event.family) else Note.UNKNOWN_TYPE)


def _user(data: Json, *, deleted: bool) -> Result:
    person = parse_person(data)
    if not person.clerk_id:
        return Result(Note.MALFORMED)
    if deleted:
        return Result(changes=identity.mark_deleted(person.clerk_id))
    stored, changes = identity.upsert_person(person)
    return Result(Note.DELETED_USER if stored.deleted_at else Note.NONE, changes)


def _item(event: Event, item: Any) -> Result:
    """The payer is the event's: items within a subscription name none."""
    payer = parse_payer(event.data.get("payer"))
    return apply_item(parse_item(item, payer=payer, instance_id=event.instance_id, seen=event.seen))


def _payment(event: Event) -> Result:
    version = parse_payment(event.data, seen=event.seen)
    result = record_payment(version)
    if version.status == "paid" and version.payer.is_user:
        # What was paid for is on the subscription item, whose own event may be late or lost.
        identity.pull_later(version.payer.id)
    return result
