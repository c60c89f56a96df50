"""Applying projections to the database: state rows, periods, and their grants. Every function here
runs under the payer's lock, so nobody grants beside it; the grant's key keeps it true anyway."""

import logging
from dataclasses import asdict
from datetime import datetime

from django.db import connection, transaction
from django.db.models import QuerySet

from credits.clerk.identity import get_identity, lock
from credits.clerk.models import Identity, Payment, Period, SubscriptionItem, WebhookDelivery
from credits.clerk.projection import (
    EARNING,
    EarnedGrant,
    ItemState,
    PeriodState,
    free_grant,
    grants_of,
    holds_free_plan,
    merge_item,
    merge_period,
    period_of,
    proves_free_plan,
)
from credits.clerk.shapes import ItemVersion, Payer, PaymentVersion
from credits.ledger import grant_credits, set_grant_expiry
from credits.models import CreditGrant, Plan

Note = WebhookDelivery.Note
logger = logging.getLogger(__name__)

STATE = tuple(ItemState.__dataclass_fields__)
PERIOD = tuple(PeriodState.__dataclass_fields__)
#: How many payers a newly mapped plan pays at once; the hourly task does the others.
AT_ONCE = 200


def ledger_now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT credits_now()")
        now: datetime = cursor.fetchone()[0]
    return now


@transaction.atomic
def apply_item(version: ItemVersion, payer: Payer) -> str:
    """Projects one version of an item and grants what is due. Returns a Note for the inbox."""
    if not version.item_id or not version.payer:
        return Note.MALFORMED
    lock(version.payer)
    item = _store_item(version)
    _store_period(item, version)
    _keep_period_end(item)
    if not payer.user_id or payer.organization_id:
        return Note.UNSUPPORTED_PAYER
    identity = get_identity(clerk_id=payer.user_id, payer=payer)
    if identity.deleted_at:
        logger.warning("Billing of %s, who was deleted: see item %s", payer.ref, item.item_id)
        return Note.DELETED_USER
    now = ledger_now()
    if proves_free_plan(version, now=now):
        _grant_free(item, identity, now)
    mapped = _release(item, identity, now)
    earning = version.status in EARNING and not version.is_free
    return Note.UNMAPPED_PLAN if earning and not (mapped and version.plan_id) else Note.NONE


def _store_item(version: ItemVersion) -> SubscriptionItem:
    item, _ = SubscriptionItem.objects.get_or_create(
        item_id=version.item_id,
        defaults={"payer": version.payer, "instance_id": version.instance_id},
    )
    for name, value in asdict(merge_item(state_of(item), version)).items():
        setattr(item, name, list(value) if isinstance(value, tuple) else value)
    item.save()
    return item


def state_of(item: SubscriptionItem) -> ItemState:
    values = {name: getattr(item, name) for name in STATE}
    return ItemState(**{**values, "version": tuple(item.version), "ends": tuple(item.ends)})


def _store_period(item: SubscriptionItem, version: ItemVersion) -> None:
    seen = period_of(version)
    if seen is None:
        return
    row, created = Period.objects.get_or_create(
        item=item, plan_id=seen.plan_id, start=seen.start, trial=seen.trial, defaults=asdict(seen)
    )
    if not created:
        for name, value in asdict(merge_period(_period_state(row), seen)).items():
            setattr(row, name, value)
        row.save()


def _period_state(row: Period) -> PeriodState:
    return PeriodState(**{name: getattr(row, name) for name in PERIOD})


def _keep_period_end(item: SubscriptionItem) -> None:
    """The item shows the end of its current period, also when its newest version left it out."""
    current = None
    if item.period_start is not None:
        current = item.periods.filter(start=item.period_start, trial=item.is_trial).first()
    item.period_end = current.end if current else None
    item.save(update_fields=["period_end"])


def plan_credits() -> dict[str, int]:
    """Credits per month of every active plan."""
    return dict(Plan.objects.filter(active=True).values_list("clerk_id", "credits"))


def _grant_free(item: SubscriptionItem, identity: Identity, now: datetime) -> None:
    grant = free_grant(user_id=identity.clerk_id, now=now)
    _grant(identity, item, grant, plan_credits().get(item.plan_id, 0))


def _release(item: SubscriptionItem, identity: Identity, now: datetime) -> bool:
    """Grants what is due and moves expiries that changed. False when something earned waits for
    its plan to be mapped."""
    credits = plan_credits()
    mapped = True
    for period in item.periods.order_by("start"):
        mapped &= not period.earned or period.plan_id in credits
        _release_period(item, period, identity, credits.get(period.plan_id, 0), now)
    return mapped


def _release_period(
    item: SubscriptionItem, period: Period, identity: Identity, credits: int, now: datetime
) -> None:
    grants = list(
        grants_of(
            _period_state(period),
            ends=item.ends,
            payer=item.payer,
            instance_id=item.instance_id,
        )
    )
    due = [grant for grant in grants if grant.due <= now]
    for grant in due:
        _grant(identity, item, grant, credits)
    settled = bool(grants) and len(due) == len(grants) and credits > 0
    if settled != period.settled:
        Period.objects.filter(pk=period.pk).update(settled=settled)
    _end_early(period, item, grants)


def _grant(identity: Identity, item: SubscriptionItem, grant: EarnedGrant, credits: int) -> None:
    """Grants once per key; a grant that stands has its expiry moved instead. Its amount stays what
    it was when it came in."""
    standing = CreditGrant.objects.filter(key=grant.key).only("expires_at").first()
    if standing:
        if standing.expires_at != grant.expires_at:
            set_grant_expiry(key=grant.key, expires_at=grant.expires_at)
    elif credits and identity.user_id:
        grant_credits(
            user_id=identity.user_id,
            source=CreditGrant.Source.PLAN,
            amount=credits,
            key=grant.key,
            expires_at=grant.expires_at,
            details={"plan": item.plan_name, "item": item.item_id},
        )


def _end_early(period: Period, item: SubscriptionItem, grants: list[EarnedGrant]) -> None:
    """Months of an annual plan, released before its end was known, last no longer either."""
    if not (period.annual and item.ends and grants):
        return
    prefix = grants[0].key.removesuffix("m0")
    known = {grant.key for grant in grants}
    for key in CreditGrant.objects.filter(key__startswith=prefix).values_list("key", flat=True):
        if key not in known:
            set_grant_expiry(key=key, expires_at=grants[-1].expires_at)


# --- By our own clock --------------------------------------------------------------------------


@transaction.atomic
def release_item(*, item_id: str) -> None:
    """Grants what has become due of one item since it was last heard of."""
    item = SubscriptionItem.objects.get(item_id=item_id)
    lock(item.payer)
    item.refresh_from_db()
    identity = Identity.objects.filter(clerk_id=item.payer.removeprefix("user:")).first()
    if not identity or identity.deleted_at:
        return
    now = ledger_now()
    if holds_free_plan(state_of(item), now=now):
        _grant_free(item, identity, now)
    _release(item, identity, now)


def release_due() -> int:
    """Months of annual plans and of the free plan that have begun, periods that were ahead of our
    clock, and periods whose plan has been mapped since. Returns how many items it looked at."""
    mapped = Plan.objects.filter(active=True, credits__gt=0).values("clerk_id")
    open_periods = Period.objects.filter(earned=True, settled=False, plan_id__in=mapped)
    free = SubscriptionItem.objects.filter(is_free=True, plan_id__in=mapped)
    users = SubscriptionItem.objects.filter(payer__startswith="user:")
    ids = set(users.filter(periods__in=open_periods).values_list("item_id", flat=True))
    ids |= set(_unpaid_this_month(free))
    for item_id in sorted(ids):
        release_item(item_id=item_id)
    return len(ids)


def _unpaid_this_month(free: QuerySet[SubscriptionItem]) -> list[str]:
    """Free items whose user has no grant of this month yet."""
    month = f"{ledger_now():%Y-%m}"
    rows = free.values_list("item_id", "payer", "status")
    keys = {f"free:{payer.removeprefix('user:')}:{month}": item for item, payer, _ in rows}
    granted = CreditGrant.objects.filter(key__startswith="free:", key__endswith=f":{month}")
    return [keys[key] for key in keys.keys() - set(granted.values_list("key", flat=True))]


def release_plan(*, clerk_id: str, at_most: int = AT_ONCE) -> int:
    """A plan was mapped: grants what its parked items earned. Returns how many items it paid."""
    items = SubscriptionItem.objects.filter(payer__startswith="user:")
    parked = items.filter(periods__plan_id=clerk_id, periods__earned=True, periods__settled=False)
    free = items.filter(is_free=True, plan_id=clerk_id)
    ids = list((parked | free).distinct().values_list("item_id", flat=True)[:at_most])
    for item_id in ids:
        release_item(item_id=item_id)
    WebhookDelivery.objects.filter(unmapped=True, payload__data__plan_id=clerk_id).update(
        unmapped=False
    )
    return len(ids)


def plan_saved(sender: object, instance: Plan, **_: object) -> None:
    """Whoever saves a plan, by page, API or shell, its parked items are paid."""
    if instance.active and instance.credits:
        transaction.on_commit(lambda: release_plan(clerk_id=instance.clerk_id))


# --- Payments ----------------------------------------------------------------------------------


@transaction.atomic
def record_payment(version: PaymentVersion) -> str:
    """Keeps a payment once per payment id: several attempts share one, a paid one is final. Grants
    nothing: the subscription item says what was paid for."""
    if not version.payment_id:
        return Note.MALFORMED
    payment, _ = Payment.objects.select_for_update().get_or_create(
        payment_id=version.payment_id, defaults={"payer": version.payer}
    )
    order = [int(version.status == "paid"), version.updated, int(version.status == "failed")]
    if payment.version < order:
        for name, value in asdict(version).items():
            if name not in {"payment_id", "updated"}:
                setattr(payment, name, value)
        payment.version = order
        payment.save()
    return Note.NONE
