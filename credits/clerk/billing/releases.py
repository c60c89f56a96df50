"""Granting without an event of Clerk's: months that have begun, and periods whose plan was mapped
after they were paid for. And when a user's plan brings credits the next time."""

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db import connection, transaction
from django.db.models import BooleanField, Exists, Func, OuterRef, Q, QuerySet, Value
from django.utils import timezone

from credits.clerk.billing.projection import (
    MONTHS,
    add_months,
    end_of_month,
    first_of_month,
    holds_free_plan,
    milliseconds,
    moment,
)
from credits.clerk.billing.subscriptions import ItemWithPeriods, release, state_of
from credits.clerk.identity import lock
from credits.clerk.parsing import Json, Payer, as_object, as_objects, parse_item
from credits.ledger import set_due
from credits.models import (
    CreditGrant,
    Identity,
    PayerKind,
    Period,
    Plan,
    SubscriptionItem,
    User,
    WebhookDelivery,
)
from credits.models.subscriptions import EARNING

logger = logging.getLogger(__name__)

#: Items that a newly mapped plan releases at once; the hourly task does the others.
AT_ONCE = 200
#: A delivery and its plan may be saved at the same time, unseen by each other: the hourly task
#: checks the deliveries of so long again.
LOOK_AGAIN = timedelta(days=1)


@transaction.atomic
def release_item(*, item_id: str) -> None:
    """Grants what has become due of one item since its last event."""
    payer_id = SubscriptionItem.objects.values_list("payer_id", flat=True).get(item_id=item_id)
    now = lock(payer_id)
    identity = Identity.objects.filter(clerk_id=payer_id).first()
    if not identity or identity.deleted_at:
        return
    row = SubscriptionItem.objects.get(item_id=item_id)
    free = holds_free_plan(state_of(row), now=now)
    release(ItemWithPeriods(row), identity, now, free=free)


def release_account(sender: object, *, user_id: int, **_: object) -> None:
    """Grants what has become due of every item of a user, and sets when the next is (the ledger's
    signal `credits_due`). Twice at once grants once: the second waits for the payer's lock."""
    identity = Identity.objects.filter(user_id=user_id, deleted_at=None).first()
    with transaction.atomic():
        now = lock(identity.clerk_id) if identity else None
        set_due(user_id=user_id, at=None)
        if identity is None or now is None:
            return
        for row in _of_users().filter(payer_id=identity.clerk_id).order_by("pk"):
            free = holds_free_plan(state_of(row), now=now)
            release(ItemWithPeriods(row), identity, now, free=free)


type Report = Callable[[str, Exception], object]


def release_due(
    *, report: Report | None = None, heartbeat: Callable[[], object] = lambda: None
) -> int:
    """Grants months of annual plans and of the free plan that have begun, periods that were ahead
    of our clock, and periods whose plan has been mapped since. Returns the number of items; calls
    `report` for each that failed, and `heartbeat` after some."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT credits_now()")
        now: datetime = cursor.fetchone()[0]
    tried = 0
    periods = Period.objects.filter(earned=True, settled=False, plan_id__in=_mapped())
    unsettled = _of_users().filter(pk__in=periods.values("item_id"))
    for items in (unsettled, _unpaid_this_month(now)):
        for batch in _batches(items):
            _release_each(batch, report)
            tried += len(batch)
            heartbeat()
    _unflag(WebhookDelivery.objects.filter(received_at__gt=timezone.now() - LOOK_AGAIN))
    return tried


def _batches(items: QuerySet[SubscriptionItem]) -> Iterator[list[str]]:
    """Ids of these items, some at a time and each once, also if they stay unpaid."""
    after = 0
    rows = items.order_by("pk").values_list("pk", "item_id")
    while batch := list(rows.filter(pk__gt=after)[:AT_ONCE]):
        after = batch[-1][0]
        yield [item_id for _, item_id in batch]


def _release_each(item_ids: list[str], report: Report | None = None) -> None:
    for item_id in item_ids:
        try:
            release_item(item_id=item_id)
        except Exception as error:  # One that fails does not stop the others.
            logger.exception("Release of %s failed", item_id)
            if report:
                report(item_id, error)


def _of_users() -> QuerySet[SubscriptionItem]:
    return SubscriptionItem.objects.filter(payer_kind=PayerKind.USER)


def _mapped() -> QuerySet[Plan, str]:
    return Plan.objects.filter(active=True, credits__gt=0).values_list("clerk_id", flat=True)


def _unpaid_this_month(now: datetime) -> QuerySet[SubscriptionItem]:
    """Free items that were held this month, whose user has no grant of it yet."""
    first = first_of_month(now)
    ended_in_it = Func(
        Value(milliseconds(first)),
        "ends",
        arg_joiner=" < ANY (",
        template="(%(expressions)s))",
        output_field=BooleanField(),
    )
    held = Q(status__in=EARNING) | Q(ended_in_it)
    paid_for = Period.objects.filter(item=OuterRef("pk"), plan_id=OuterRef("plan_id"), earned=True)
    granted = CreditGrant.objects.filter(
        subscription_item__payer_kind=PayerKind.USER,
        subscription_item__payer_id=OuterRef("payer_id"),
        period=None,
        expires_at=end_of_month(now),
    )
    items = _of_users().filter(held, is_free=True, plan_id__in=_mapped())
    return items.exclude(Exists(paid_for)).exclude(Exists(granted))


def release_plan(*, clerk_id: str, at_most: int = AT_ONCE) -> int:
    """A plan was mapped: grants what its items earned, and unflags the deliveries that name it,
    unless they wait for another plan too. Returns the number of items."""
    items = _of_users()
    waiting = items.filter(periods__plan_id=clerk_id, periods__earned=True, periods__settled=False)
    free = items.filter(is_free=True, plan_id=clerk_id)
    ids = list((waiting | free).distinct().values_list("item_id", flat=True)[:at_most])
    _release_each(ids)
    by_id, by_plan = {"plan_id": clerk_id}, {"plan": {"id": clerk_id}}
    named = Q(payload__data__contains=by_id) | Q(payload__data__contains=by_plan)
    for item in (by_id, by_plan):
        named |= Q(payload__data__items__contains=[item])
    _unflag(WebhookDelivery.objects.filter(named))
    return len(ids)


def plan_saved(sender: object, instance: Plan, **_: object) -> None:
    """After a plan is saved, by page, API or shell, its waiting items are paid."""
    if instance.active:
        transaction.on_commit(lambda: release_plan(clerk_id=instance.clerk_id))


def _unflag(deliveries: QuerySet[WebhookDelivery]) -> None:
    """Removes the flag `unmapped` from those of these deliveries whose plans are all mapped."""
    mapped = set(Plan.objects.filter(active=True).values_list("clerk_id", flat=True))
    rows = deliveries.filter(unmapped=True).values_list("pk", "payload")
    settled = [pk for pk, payload in rows.iterator() if _plans_of(payload) <= mapped]
    WebhookDelivery.objects.filter(pk__in=settled).update(unmapped=False)


def _plans_of(payload: Json) -> set[str]:
    """The plans by which a delivery's items earn something; "" where one names none."""
    data = as_object(payload.get("data"))
    parts = as_objects(data.get("items")) or [data]
    items = [parse_item(part, payer=Payer(), instance_id="", seen=0) for part in parts]
    return {item.plan_id for item in items if item.status in EARNING and not item.is_free}


class Upcoming(NamedTuple):
    """Credits that come at a moment if nothing changes until then."""

    at: datetime
    credits: int


def next_grant(user: User) -> Upcoming | None:
    """The soonest grant of this user's plans; None when none brings any."""
    if not user.clerk_id:
        return None
    now = datetime.now(UTC)
    mapped = Plan.objects.filter(active=True, credits__gt=0)
    amounts = dict(mapped.values_list("clerk_id", "credits"))
    items = SubscriptionItem.objects.filter(payer_id=user.clerk_id, plan_id__in=amounts)
    upcoming = (Upcoming(at, amounts[item.plan_id]) for item in items for at in _moments(item, now))
    return min((each for each in upcoming if each.at > now), default=None)


def _moments(item: SubscriptionItem, now: datetime) -> Iterator[datetime]:
    """The start of a plan that follows another; else each calendar month, each month of a paid
    year, or the next period. What is canceled brings no next one."""
    start, end = item.period_start, item.period_end
    if item.status == "upcoming" and start is not None:
        yield moment(start)
    if item.status in EARNING and item.annual and not item.is_free and start is not None:
        months = (add_months(start, month) for month in range(1, MONTHS))
        yield from (moment(at) for at in months if end is None or at < end)
    if item.status == "active" and item.is_free:
        yield end_of_month(now)
    elif item.status == "active" and end is not None:
        yield moment(end)
