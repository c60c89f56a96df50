"""Reading the inbox: filters, pages and counts."""

from collections.abc import Iterable
from datetime import date
from typing import Any, NamedTuple

from django.db.models import Count, Max, Min, Q, QuerySet

from config.pagination import Page, paginate
from credits.clerk.webhooks.replays import FAILED, UNMAPPED, WAITING, deliveries
from credits.models import Identity, User, WebhookDelivery
from credits.statement.days import on_days

type Deliveries = QuerySet[WebhookDelivery]

#: The statuses of deliveries and their labels; every delivery has exactly one.
STATUSES = {
    "failed": "Failed",
    "waiting": "Waiting",
    "unmapped": "Unmapped plan",
    "processed": "Processed",
}
CONDITIONS = {
    "failed": FAILED,
    "waiting": WAITING,
    "unmapped": UNMAPPED & Q(processed_at__isnull=False),
    "processed": Q(processed_at__isnull=False, unmapped=False, error=""),
}
#: What the health card counts: it waits, or failed and was never processed before.
OPEN = {"open": "Not processed"}
CONDITIONS |= {"open": Q(processed_at__isnull=True)}


def status_of(delivery: WebhookDelivery) -> str:
    if delivery.error:
        return "failed"
    if delivery.processed_at is None:
        return "waiting"
    return "unmapped" if delivery.unmapped else "processed"


def matching(
    *, kind: str = "", payer: str = "", first: date | None = None, last: date | None = None
) -> Deliveries:
    """Deliveries of a type (`user.created`) or a family (`user`), about a payer, from the day
    `first` to the day `last` (UTC, both included)."""
    rows = WebhookDelivery.objects.all()
    if kind:
        rows = rows.filter(Q(type=kind) | Q(type__startswith=f"{kind.rstrip('.')}."))
    if payer:
        rows = rows.filter(payer_id__in=_payer_ids(payer.strip()))
    return rows.filter(on_days("received_at", first, last))


def _payer_ids(text: str) -> list[str]:
    """Clerk's ids of whom the text may mean: it is one, or an e-mail address."""
    if "@" not in text:
        return [text]
    people = Identity.objects.filter(Q(email__iexact=text) | Q(user__email=text.lower()))
    return list(people.values_list("clerk_id", flat=True))


def counts(rows: Deliveries) -> dict[str, int]:
    """How many there are of each status, open, and in all."""
    # The names of columns are no names for aggregates.
    of_each = {f"n_{name}": Count("pk", filter=when) for name, when in CONDITIONS.items()}
    numbers = rows.aggregate(n_all=Count("pk"), **of_each)
    return {name.removeprefix("n_"): number for name, number in numbers.items()}


class Row(NamedTuple):
    """A delivery, its status, and whom it is about if they have an account here."""

    delivery: WebhookDelivery
    status: str
    person: User | None


def get_page(rows: Deliveries, **place: Any) -> Page[Row]:
    """A page of deliveries, newest first; `place` is that of a PageForm."""

    def shown(deliveries: list[WebhookDelivery]) -> list[Row]:
        people = people_of({delivery.payer_id for delivery in deliveries})
        return [Row(each, status_of(each), people.get(each.payer_id)) for each in deliveries]

    return paginate(rows.defer("payload", "effects"), size=50, **place).map(shown)


def people_of(payer_ids: Iterable[str]) -> dict[str, User]:
    """The accounts of those of these payers who have one, by the payer's id."""
    identities = Identity.objects.filter(clerk_id__in=payer_ids).select_related("user")
    return {identity.clerk_id: identity.user for identity in identities if identity.user}


def choice(which: str) -> dict[str, Any]:
    """What a replay would process: how many (`total`), up to which id, received from when to when,
    and the types, each with its number."""
    rows = deliveries(which)
    numbers = rows.aggregate(
        total=Count("pk"), up_to=Max("pk"), first=Min("received_at"), last=Max("received_at")
    )
    types = rows.order_by().values_list("type").annotate(n=Count("pk")).order_by("-n", "type")
    return {**numbers, "types": types}
