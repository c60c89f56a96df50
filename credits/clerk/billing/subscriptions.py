"""Applying projections to the database: state rows, periods, and their grants. Every function here
runs under the payer's lock, so nobody grants beside it; the grant's key keeps it true anyway."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from datetime import datetime

from django.db import connection, transaction
from django.db.models import BooleanField, Exists, Func, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Concat, Substr

from credits.clerk.billing import grant_counter, unmapped
from credits.clerk.billing.projection import (
    EARNING,
    EarnedGrant,
    ItemState,
    PeriodState,
    first_of_month,
    free_grant,
    grants_of,
    holds_free_plan,
    merge_item,
    merge_period,
    milliseconds,
    period_of,
    proves_free_plan,
)
from credits.clerk.identity import get_identity, lock
from credits.clerk.models import Identity, Payment, Period, SubscriptionItem, WebhookDelivery
from credits.clerk.parsing import ItemVersion, Payer, PaymentVersion
from credits.ledger import grant_credits, set_grant_expiry
from credits.models import CreditGrant, Plan
from credits.pricing import get_plans_credits

Note = WebhookDelivery.Note
logger = logging.getLogger(__name__)

STATE = tuple(ItemState.__dataclass_fields__)
PERIOD = tuple(PeriodState.__dataclass_fields__)
#: How many payers a newly mapped plan pays at once; the hourly task does the others.
AT_ONCE = 200


@transaction.atomic(savepoint=False)
def apply_item(version: ItemVersion, payer: Payer, *, checked_at: datetime | None = None) -> str:
    """Projects one version of an item and grants what is due. Returns a Note for the inbox.
    `checked_at` is when a sync found it at Clerk."""
    if not (version.item_id and version.payer and version.instance_id):
        return Note.MALFORMED
    now = lock(version.payer)
    account = Account.of(version)
    account.take(version)
    account.item.checked_at = checked_at or account.item.checked_at
    note = _grant_by(version, payer, account, now)
    account.save()
    return note


def _grant_by(version: ItemVersion, payer: Payer, account: "Account", now: datetime) -> str:
    if not payer.user_id or payer.organization_id:
        return Note.UNSUPPORTED_PAYER
    identity = get_identity(clerk_id=payer.user_id, payer=payer)
    if identity.deleted_at:
        logger.warning("Billing of %s, who was deleted: see item %s", payer.ref, version.item_id)
        return Note.DELETED_USER
    mapped = _release(account, identity, now, free=proves_free_plan(version, now=now))
    earning = version.status in EARNING and not version.is_free
    return Note.UNMAPPED_PLAN if earning and not (mapped and version.plan_id) else Note.NONE


def state_of(item: SubscriptionItem) -> ItemState:
    values = {name: getattr(item, name) for name in STATE}
    return ItemState(**{**values, "version": tuple(item.version), "ends": tuple(item.ends)})


def period_state_of(row: Period) -> PeriodState:
    return PeriodState(**{name: getattr(row, name) for name in PERIOD})


class Account:
    """An item and its periods, read once, changed in memory, and saved as far as they changed.
    Lives within a transaction that holds the payer's lock."""

    def __init__(self, item: SubscriptionItem) -> None:
        self.item = item
        self.periods = list(item.periods.order_by("start", "id")) if item.pk else []
        self._stored = {row.pk: (period_state_of(row), row.settled) for row in self.periods}

    @classmethod
    def of(cls, version: ItemVersion) -> "Account":
        """The item of this version; a new one when there is none yet."""
        known = SubscriptionItem.objects.filter(item_id=version.item_id).first()
        return cls(
            known
            or SubscriptionItem(
                item_id=version.item_id, payer=version.payer, instance_id=version.instance_id
            )
        )

    def take(self, version: ItemVersion) -> None:
        """Merges a version into the item and the period that it speaks of."""
        _copy(merge_item(state_of(self.item), version), self.item)
        if seen := period_of(version):
            row = self._period(seen)
            _copy(merge_period(period_state_of(row), seen), row)
        self.item.period_end = next(
            (row.end for row in self.periods if self._is_current(row)), None
        )

    def _period(self, seen: PeriodState) -> Period:
        name = (seen.plan_id, seen.start, seen.trial)
        for row in self.periods:
            if (row.plan_id, row.start, row.trial) == name:
                return row
        row = Period(item=self.item, **asdict(replace(seen, earned=False)))
        self.periods.append(row)
        self.periods.sort(key=lambda row: row.start)
        return row

    def _is_current(self, row: Period) -> bool:
        """Whether this is the item's current period, whose end the item shows, also when its newest
        version left the end out."""
        item = self.item
        current = (item.plan_id, item.period_start, item.is_trial)
        return (row.plan_id, row.start, row.trial) == current

    def was_paid_for(self) -> bool:
        """Whether the item's plan earned a period: then it is no free plan, whatever it cost."""
        return any(row.earned and row.plan_id == self.item.plan_id for row in self.periods)

    def grants_of(self, row: Period) -> list[EarnedGrant]:
        item = self.item
        return list(
            grants_of(
                period_state_of(row),
                ends=item.ends,
                payer=item.payer,
                instance_id=item.instance_id,
            )
        )

    def save(self) -> None:
        self.item.save()
        self.save_periods()

    def save_periods(self) -> None:
        for row in self.periods:
            if self._stored.get(row.pk) != (period_state_of(row), row.settled):
                row.save()


def _copy(state: ItemState | PeriodState, row: SubscriptionItem | Period) -> None:
    for name, value in asdict(state).items():
        setattr(row, name, list(value) if isinstance(value, tuple) else value)


type Priced = tuple[EarnedGrant, int]


def _release(account: Account, identity: Identity, now: datetime, *, free: bool) -> bool:
    """Grants what is due, of the free plan too if `free`, and moves expiries that changed. False
    when something earned waits for its plan to be mapped."""
    credits = get_plans_credits()
    due: list[Priced] = []
    if free and not account.was_paid_for():
        grant = free_grant(user_id=identity.clerk_id, now=now)
        due.append((grant, credits.get(account.item.plan_id, 0)))
    for row in account.periods:
        due.extend(_due_of(row, account, credits.get(row.plan_id, 0), now))
    _grant(due, identity, account.item)
    for row in account.periods:
        _end_early(row, account)
    return all(row.plan_id in credits for row in account.periods if row.earned)


def _due_of(row: Period, account: Account, credits: int, now: datetime) -> list[Priced]:
    """What is due of a period; it is settled when that is all it can ever bring."""
    grants = account.grants_of(row)
    due = [(grant, credits) for grant in grants if grant.due <= now]
    row.settled = bool(grants) and len(due) == len(grants) and credits > 0
    return due


def _grant(due: list[Priced], identity: Identity, item: SubscriptionItem) -> None:
    """Grants once per key; a grant that stands has its expiry moved instead. Its amount stays what
    it was when it came in."""
    rows = CreditGrant.objects.filter(key__in=[grant.key for grant, _ in due])
    standing = dict(rows.values_list("key", "expires_at")) if due else {}
    for grant, credits in due:
        if grant.key in standing:
            if standing[grant.key] != grant.expires_at:
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
            grant_counter.note(credits)


def _end_early(row: Period, account: Account) -> None:
    """Months of an annual plan, released before its end was known, last no longer either."""
    grants = account.grants_of(row) if row.annual and account.item.ends else []
    if not grants:
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
    payer = SubscriptionItem.objects.values_list("payer", flat=True).get(item_id=item_id)
    now = lock(payer)
    identity = Identity.objects.filter(clerk_id=payer.removeprefix("user:")).first()
    if not identity or identity.deleted_at:
        return
    account = Account(SubscriptionItem.objects.get(item_id=item_id))
    _release(account, identity, now, free=holds_free_plan(state_of(account.item), now=now))
    account.save_periods()


type Report = Callable[[str, Exception], object]


def release_due(*, report: Report | None = None, beat: Callable[[], object] = lambda: None) -> int:
    """Months of annual plans and of the free plan that have begun, periods that were ahead of our
    clock, and periods whose plan has been mapped since. Returns how many items it looked at; tells
    `report` which failed, and calls `beat` now and then."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT credits_now()")
        now: datetime = cursor.fetchone()[0]
    looked_at = 0
    for items in (_open_items(), _unpaid_this_month(now)):
        for batch in _batches(items):
            looked_at += _release_each(batch, report)
            beat()
    unmapped.unflag_recent()
    return looked_at


def _batches(items: QuerySet[SubscriptionItem]) -> Iterable[list[str]]:
    """Ids of these items, some at a time and each once, also of those that stay open."""
    after = 0
    rows = items.order_by("pk").values_list("pk", "item_id")
    while batch := list(rows.filter(pk__gt=after)[:AT_ONCE]):
        after = batch[-1][0]
        yield [item_id for _, item_id in batch]


def _release_each(item_ids: list[str], report: Report | None = None) -> int:
    for item_id in item_ids:
        try:
            release_item(item_id=item_id)
        except Exception as error:  # One that fails does not stop the others.
            logger.exception("Release of %s failed", item_id)
            if report:
                report(item_id, error)
    return len(item_ids)


def _mapped() -> QuerySet[Plan, str]:
    return Plan.objects.filter(active=True, credits__gt=0).values_list("clerk_id", flat=True)


def _open_items() -> QuerySet[SubscriptionItem]:
    periods = Period.objects.filter(earned=True, settled=False, plan_id__in=_mapped())
    users = SubscriptionItem.objects.filter(payer__startswith="user:")
    return users.filter(pk__in=periods.values("item_id"))


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
    items = SubscriptionItem.objects.filter(
        held, is_free=True, plan_id__in=_mapped(), payer__startswith="user:"
    )
    paid_for = Period.objects.filter(item=OuterRef("pk"), plan_id=OuterRef("plan_id"), earned=True)
    items = items.exclude(Exists(paid_for))
    key = Concat(Value("free:"), Substr("payer", 6), Value(f":{first:%Y-%m}"))
    return items.alias(key=key).exclude(Exists(CreditGrant.objects.filter(key=OuterRef("key"))))


def release_plan(*, clerk_id: str, at_most: int = AT_ONCE) -> int:
    """A plan was mapped: grants what its parked items earned. Returns how many items it paid."""
    items = SubscriptionItem.objects.filter(payer__startswith="user:")
    parked = items.filter(periods__plan_id=clerk_id, periods__earned=True, periods__settled=False)
    free = items.filter(is_free=True, plan_id=clerk_id)
    ids = list((parked | free).distinct().values_list("item_id", flat=True)[:at_most])
    _release_each(ids)
    unmapped.unflag_plan(clerk_id)
    return len(ids)


def plan_saved(sender: object, instance: Plan, **_: object) -> None:
    """Whoever saves a plan, by page, API or shell, its parked items are paid."""
    if instance.active:
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
