"""What a delivery changed, in words, from what was kept with it (`credits.clerk.changes`), and the
present state of the items and the payment that it is about."""

from datetime import datetime
from typing import Any, NamedTuple

from django.utils.dateformat import format as format_date
from django.utils.dateparse import parse_datetime
from django.utils.timezone import localtime

from credits.clerk.billing.projection import moment
from credits.clerk.parsing import as_id, as_ms, as_object, as_objects
from credits.models import CreditGrant, Payment, SubscriptionItem, WebhookDelivery
from credits.reports.grants import incoming_rows

#: Grants of an item that are shown, newest first: two years of months.
GRANTS = 24
FIELDS = {
    "is_active": "whether the account is open",
    "email_verified": "whether the address is verified",
    "banned": "ban",
    "deleted_at": "deletion",
}
PARTS = {
    "status": "status",
    "plan_id": "plan",
    "period_start": "period from",
    "period_end": "to",
    "is_trial": "trial",
}


class ChangeLine(NamedTuple):
    """What changed. `usage_id` is the journal's row of it."""

    what: str
    name: str
    text: str
    usage_id: int | None = None


class Processing(NamedTuple):
    """One processing that changed something."""

    at: datetime | None
    changes: list[ChangeLine]


class GrantNow(NamedTuple):
    """A grant of an item, as it stands; `here` says that this delivery brought it."""

    grant: CreditGrant
    usage_id: int | None
    here: bool


class ItemNow(NamedTuple):
    """An item that the delivery is about; `newest` says that no later version has come since, and
    is None when the delivery's payload was emptied."""

    item: SubscriptionItem
    newest: bool | None
    start: datetime | None
    end: datetime | None
    grants: list[GrantNow]


def processings(delivery: WebhookDelivery) -> list[Processing]:
    """What the delivery changed, each time that it was processed and changed something."""
    ids = [*_changed_ids(delivery, "grant"), *_changed_ids(delivery, "end")]
    rows = incoming_rows(ids)
    grants = {pk: (grant, rows.get(pk)) for pk, grant in CreditGrant.objects.in_bulk(ids).items()}
    return [
        Processing(
            parse_datetime(effect["at"]), [_line(change, grants) for change in effect["changes"]]
        )
        for effect in delivery.effects or []
    ]


def _line(change: dict[str, Any], grants: dict[int, tuple[CreditGrant, int | None]]) -> ChangeLine:
    match change["what"]:
        case "account":
            done = str(change["done"])
            if done == "updated":
                names = (FIELDS.get(name, name) for name in change["fields"])
                done = f"changed: {', '.join(names)}"
            return ChangeLine("Account", "", done)
        case "item":
            return ChangeLine("Subscription", change["id"], _item(change))
        case "payment":
            before = f"{change['before']} → " if change["before"] else ""
            return ChangeLine("Payment", change["id"], f"{before}{change['after']}")
        case "session":
            return ChangeLine("Session", change["id"], "ended, and the sign-in here with it")
    grant, usage_id = grants[change["id"]]
    if change["what"] == "grant":
        return ChangeLine("Grant", grant.key, f"+{grant.amount:,} credits", usage_id)
    ends = f"ends {_when(change['after'])}, not {_when(change['before'])}"
    return ChangeLine("End of a grant", grant.key, ends, usage_id)


def _item(change: dict[str, Any]) -> str:
    """Each part that changed, `was → is`."""
    before, after = change["before"] or {}, change["after"]
    parts = []
    for name, label in PARTS.items():
        if before.get(name) != after[name] and (before or after[name] not in {None, False, ""}):
            was = f"{_part(name, before[name])} → " if before else ""
            parts.append(f"{label} {was}{_part(name, after[name])}")
    return ", ".join(parts) or "new details"


def _part(name: str, value: Any) -> str:
    if name.startswith("period"):
        return _written(moment(value)) if value else "open"
    if name == "is_trial":
        return "yes" if value else "no"
    return str(value or "none")


def _written(at: datetime) -> str:
    return format_date(localtime(at), "j M Y H:i")


def _when(text: str | None) -> str:
    at = parse_datetime(text) if text else None
    return _written(at) if at else "never"


def items_now(delivery: WebhookDelivery) -> list[ItemNow]:
    """The present state of the subscription items that the delivery is about."""
    data = as_object(delivery.payload.get("data"))
    items = [data] if delivery.type.startswith("subscriptionItem.") else []
    if delivery.type.startswith("subscription."):
        items = as_objects(data.get("items"))
    data_of: dict[str, dict[str, Any]] = {id_: {} for id_ in _changed_ids(delivery, "item")}
    data_of |= {as_id(item.get("id")): item for item in items}
    rows = SubscriptionItem.objects.filter(item_id__in=data_of).order_by("item_id")
    return [_item_now(row, data_of[row.item_id], delivery) for row in rows]


def _changed_ids(delivery: WebhookDelivery, what: str) -> set[Any]:
    changes = (change for effect in delivery.effects or [] for change in effect["changes"])
    return {change["id"] for change in changes if change["what"] == what}


def _item_now(row: SubscriptionItem, data: dict[str, Any], delivery: WebhookDelivery) -> ItemNow:
    updated = as_ms(data.get("updated_at"))
    grants = row.grants.order_by("-pk")[:GRANTS]
    rows = incoming_rows([grant.pk for grant in grants])
    own = _changed_ids(delivery, "grant")
    return ItemNow(
        row,
        newest=bool(row.version and updated == row.version[0]) if data else None,
        start=moment(row.period_start) if row.period_start else None,
        end=moment(row.period_end) if row.period_end else None,
        grants=[GrantNow(grant, rows.get(grant.pk), grant.pk in own) for grant in grants],
    )


def payment_now(delivery: WebhookDelivery) -> Payment | None:
    """The present state of the payment that the delivery is about."""
    if not delivery.type.startswith("paymentAttempt."):
        return None
    data = as_object(delivery.payload.get("data"))
    return Payment.objects.filter(payment_id=as_id(data.get("payment_id"))).first()
