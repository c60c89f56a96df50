"""What each kind of event does. Handlers run in the delivery's transaction and return a Note."""

from typing import Any, NamedTuple

from credits.clerk import identity, queue
from credits.clerk.billing import subscriptions
from credits.clerk.models import WebhookDelivery
from credits.clerk.parsing import (
    ItemVersion,
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

Note = WebhookDelivery.Note

#: Families whose events are kept and need nothing done.
QUIET = {
    "email",
    "sms",
    "organization",
    "organizationDomain",
    "organizationMembership",
    "organizationInvitation",
    "role",
    "permission",
    "waitlistEntry",
}
#: Of several items' notes, the first of these is told.
GRAVITY = [Note.MALFORMED, Note.UNMAPPED_PLAN, Note.UNSUPPORTED_PAYER, Note.DELETED_USER]


class Event(NamedTuple):
    """A verified event; `seen` (ms) stands in for versions that carry no time of their own."""

    type: str
    instance_id: str
    data: Json
    seen: int


def read_event(payload: Json, *, received_ms: int) -> Event:
    seen = as_ms(payload.get("timestamp")) or received_ms
    return Event(
        str(payload["type"]), as_id(payload.get("instance_id")), as_object(payload["data"]), seen
    )


def payer_of(event: Event) -> str:
    """Whom the event is about, as `user:…` or `org:…`, for the inbox."""
    family, _, _ = event.type.partition(".")
    if family == "user":
        clerk_id = as_id(event.data.get("id"))
    elif family == "session":
        clerk_id = as_id(event.data.get("user_id"))
    else:
        return parse_payer(event.data.get("payer")).ref
    return f"user:{clerk_id}" if clerk_id else ""


def handle(event: Event) -> str:  # noqa: PLR0911 - a table of events
    """Does what the event asks for. Unknown kinds are noted, never refused: Clerk adds some."""
    family, _, action = event.type.partition(".")
    match family, action:
        case "user", "deleted":
            return _user_deleted(event.data)
        case "user", _:
            return _user(event.data)
        case "session", "ended" | "removed" | "revoked":
            return _session_over(event.data)
        case "session", "created" | "pending":
            return Note.NONE
        case "subscriptionItem", _:
            return _item(event)
        case "subscription", _:
            return _subscription(event)
        case "paymentAttempt", _:
            return _payment(event)
    return Note.NONE if family in QUIET else Note.UNKNOWN_TYPE


def _user(data: Json) -> str:
    person = parse_person(data)
    if not person.clerk_id:
        return Note.MALFORMED
    deleted = identity.upsert_person(person).deleted_at
    return Note.DELETED_USER if deleted else Note.NONE


def _user_deleted(data: Json) -> str:
    clerk_id = as_id(data.get("id"))
    if not clerk_id:
        return Note.MALFORMED
    identity.bury(clerk_id)
    return Note.NONE


def _session_over(data: Json) -> str:
    sid, clerk_id = as_id(data.get("id")), as_id(data.get("user_id"))
    if not sid:
        return Note.MALFORMED
    identity.end_session(sid=sid, clerk_id=clerk_id)
    return Note.NONE


def _item(event: Event) -> str:
    payer = parse_payer(event.data.get("payer"))
    return subscriptions.apply_item(_version(event, event.data, payer), payer)


def _subscription(event: Event) -> str:
    payer = parse_payer(event.data.get("payer"))
    notes = {
        subscriptions.apply_item(_version(event, item, payer), payer)
        for item in as_objects(event.data.get("items"))
    }
    return next((note for note in GRAVITY if note in notes), Note.NONE)


def _version(event: Event, item: Any, payer: Payer) -> ItemVersion:
    return parse_item(item, payer=payer.ref, instance_id=event.instance_id, seen=event.seen)


def _payment(event: Event) -> str:
    version = parse_payment(event.data, seen=event.seen)
    note = subscriptions.record_payment(version)
    if version.status == "paid" and version.payer.startswith("user:"):
        # What was paid for is on the subscription item, whose own event may be late or lost.
        queue.pull_later(version.payer.removeprefix("user:"))
    return note
