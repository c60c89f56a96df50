"""What happened to a person, in one list: journal, webhooks and payments, newest first.

Three tables, each read by its own ids, merged by time. A place between two events is one id of each
table: what has that id or a larger one is newer. So balances always chain row to row as the
journal has them, whatever the clocks said, and what arrives meanwhile shifts no page."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from heapq import merge
from itertools import islice
from typing import Any, NamedTuple

from django.db.models import Min, QuerySet, TextChoices

from config.pagination import Page, cursor_of
from credits.features import Kind
from credits.models import Payment, UsageHistory, User, WebhookDelivery
from credits.statement.history import filter_rows, statement, with_refunds
from credits.statement.lines import fold, line_of, without_returns
from credits.statement.rows import time_of_row

PAGE = 50
#: Above every id.
NEWEST = 10**18 - 1


class Source(TextChoices):
    """What is no row of the journal."""

    WEBHOOK = "webhook", "Webhook"
    PAYMENT = "payment", "Payment"


class Place(NamedTuple):
    """Between two events: an id of the journal, of the webhooks and of the payments."""

    row: int = NEWEST
    webhook: int = NEWEST
    payment: int = NEWEST


class Event(NamedTuple):
    """One line: `line` is the row of the journal, if it is one; `state` is a delivery's or a
    payment's, for a tag."""

    source: str
    kind: str
    id: int
    at: datetime
    what: str
    note: str
    state: str = ""
    line: UsageHistory | None = None


type Reading = tuple[QuerySet[Any], Callable[[Any], Event]]


def get_page(
    user: User,
    *,
    kind: str = "",
    older_than: Place | None = None,
    newer_than: Place | None = None,
) -> Page[Event]:
    """A page of a person's events, newest first, of one kind (a Kind or a Source) if `kind`."""
    start = newer_than or older_than or Place()
    ahead = _merged(_readings(user, kind), start, "gte" if newer_than else "lt")
    shown = ahead[:PAGE]
    fold([event.line for event in shown if event.line])
    beyond = None
    if len(ahead) > PAGE:
        # Behind these events, in the order in which they were passed.
        passed = {event.source: event.id + bool(newer_than) for event in shown}
        beyond = cursor_of(start._replace(**passed))
    if newer_than:
        return Page(shown[::-1], beyond, cursor_of(newer_than))
    return Page(shown, cursor_of(older_than) if older_than else None, beyond)


def _readings(user: User, kind: str) -> dict[str, Reading]:
    rows = statement(user_id=user.pk)
    rows = filter_rows(without_returns(rows), kind=kind if kind in Kind.values else None)
    deliveries = WebhookDelivery.objects.filter(payer_id=user.clerk_id).defer("payload")
    payments = Payment.objects.filter(payer_id=user.clerk_id)
    readings: dict[str, Reading] = {
        "row": (with_refunds(rows).select_related("grant"), _of_row),
        Source.WEBHOOK: (deliveries, _of_webhook),
        Source.PAYMENT: (payments, _of_payment),
    }
    names = {kind} if kind in Source.values else {"row"} if kind else set(readings)
    # Who is not at Clerk has only the journal.
    return {
        name: readings[name]
        for name in readings
        if name in names and (user.clerk_id or name == "row")
    }


def _merged(readings: Mapping[str, Reading], place: Place, side: str) -> list[Event]:
    """A page and one more, away from the place. Each source keeps its own order."""
    backwards = side == "lt"
    sources: list[Iterator[Event]] = []
    for name, (rows, event_of) in readings.items():
        beyond = rows.filter(**{f"pk__{side}": getattr(place, name)})
        beyond = beyond.order_by("-pk" if backwards else "pk")
        sources.append(map(event_of, beyond[: PAGE + 1]))
    merged = merge(*sources, key=lambda event: event.at, reverse=backwards)
    return list(islice(merged, PAGE + 1))


def place_of(user: User, row_id: int) -> Place | None:
    """Where a page begins whose first line has this row; None when it is not the person's."""
    row_id = line_of(account_id=user.pk, row_id=row_id)
    written = time_of_row(user_id=user.pk, row_id=row_id)
    if written is None:
        return None
    deliveries = WebhookDelivery.objects.filter(payer_id=user.clerk_id, received_at__gt=written)
    payments = Payment.objects.filter(payer_id=user.clerk_id, created_at__gt=written)
    ids = (rows.aggregate(first=Min("pk"))["first"] for rows in (deliveries, payments))
    return Place(row_id + 1, *(pk or NEWEST for pk in ids))


def _of_row(row: UsageHistory) -> Event:
    note = row.full_note
    return Event("row", row.kind, row.pk, row.created_at, row.what, note, line=row)


def _of_webhook(delivery: WebhookDelivery) -> Event:
    state = "processed" if delivery.processed_at else "failed" if delivery.error else "waiting"
    note = delivery.error or delivery.get_note_display()
    source = Source.WEBHOOK
    return Event(source, source, delivery.pk, delivery.received_at, delivery.type, note, state)


#: Currencies without a smaller unit; the others have hundredths.
WHOLE = {"bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv",
         "xaf", "xof", "xpf"}  # fmt: skip


def _of_payment(payment: Payment) -> Event:
    parts = [_money(payment), payment.charge_type.replace("_", " "), payment.failed_code]
    note = " · ".join(filter(None, [*parts, payment.payment_id]))
    source = Source.PAYMENT
    return Event(source, source, payment.pk, payment.created_at, "Payment", note, payment.status)


def _money(payment: Payment) -> str:
    if payment.amount is None:
        return ""
    whole = payment.currency.lower() in WHOLE
    amount = f"{payment.amount:,}" if whole else f"{payment.amount / 100:,.2f}"
    return f"{amount} {payment.currency.upper()}"
