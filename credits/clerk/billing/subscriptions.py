"""Storing subscription items and payments, and granting what a paid period earns, under the payer's
lock and once per key."""

import logging
from dataclasses import asdict, replace
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from django.db import transaction

from credits.clerk.billing.projection import (
    EarnedGrant,
    ItemState,
    PeriodState,
    free_grant,
    grants_of,
    merge_item,
    merge_period,
    next_free_grant,
    period_of,
    proves_free_plan,
    replaced_at,
)
from credits.clerk.changes import Change, Note, Result, change
from credits.clerk.identity import get_identity, lock
from credits.clerk.parsing import ItemVersion, Payer, PaymentVersion
from credits.ledger import grant_credits, set_due, set_grant_expiry
from credits.models import CreditGrant, Identity, Payment, Period, SubscriptionItem
from credits.models.subscriptions import EARNING
from credits.pricing import get_plans_credits

logger = logging.getLogger(__name__)

STATE = tuple(ItemState.__dataclass_fields__)
PERIOD = tuple(PeriodState.__dataclass_fields__)
ROW_SAVED, PERIOD_SAVED = (*STATE, "period_end", "checked_at"), (*PERIOD, "settled")
#: What admins are shown of an item when it changes.
SHOWN = ("status", "plan_id", "period_start", "period_end", "is_trial")


@transaction.atomic(savepoint=False)
def apply_item(version: ItemVersion, *, checked_at: datetime | None = None) -> Result:
    """Stores a version and grants what is due. `checked_at`: when a sync read it."""
    if not (version.item_id and version.payer.id and version.instance_id):
        return Result(Note.MALFORMED)
    now = lock(version.payer.id)
    row = SubscriptionItem.objects.filter(item_id=version.item_id).first() or SubscriptionItem(
        item_id=version.item_id, instance_id=version.instance_id, **_payer_columns(version.payer)
    )
    before = _values(row, SHOWN) if row.pk else None
    item = ItemWithPeriods(row)
    item.merge(version)
    row.checked_at = checked_at or row.checked_at
    changes = _state_changed("item", version.item_id, before, _values(row, SHOWN))
    result = _grant_by(version, item, now)
    item.save()
    return replace(result, changes=[*changes, *result.changes])


def _grant_by(version: ItemVersion, item: "ItemWithPeriods", now: datetime) -> Result:
    if not version.payer.is_user:
        return Result(Note.UNSUPPORTED_PAYER)
    identity, changes = get_identity(version.payer)
    if identity.deleted_at:
        logger.warning("Billing of deleted user %s: item %s", version.payer.id, version.item_id)
        return Result(Note.DELETED_USER)
    result = release(item, identity, now, free=proves_free_plan(version, now=now))
    earning = version.status in EARNING and not version.is_free
    waits = earning and (result.note == Note.UNMAPPED_PLAN or not version.plan_id)
    note = Note.UNMAPPED_PLAN if waits else Note.NONE
    return Result(note, [*changes, *result.changes], result.granted)


def _state_changed(what: str, key: str, before: Any, after: Any) -> list[Change]:
    return [] if before == after else [change(what, key, before=before, after=after)]


def _values(row: SubscriptionItem | Period, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}


def state_of(row: SubscriptionItem) -> ItemState:
    """An item's row as the projection has it."""
    values = _values(row, STATE)
    return ItemState(**{**values, "version": tuple(row.version), "ends": tuple(row.ends)})


def _period_state_of(row: Period) -> PeriodState:
    return PeriodState(**_values(row, PERIOD))


def _key(period: Period | PeriodState) -> tuple[str, int, bool]:
    return period.plan_id, period.start, period.trial


class Earning(NamedTuple):
    """A grant that an item has earned, also one that is not due yet; the credits of its plan, 0
    while that is not mapped; and its period, None for the free plan's."""

    grant: EarnedGrant
    credits: int
    period: Period | None


class ItemWithPeriods:
    """An item and its periods, read once, changed in memory, and saved as far as they changed.
    Lives within a transaction that holds the payer's lock."""

    def __init__(self, row: SubscriptionItem) -> None:
        self.row = row
        self.periods = list(row.periods.order_by("start", "id")) if row.pk else []
        self._ends = {period.pk: period.end for period in self.periods}
        self._stored_row = _values(row, ROW_SAVED) if row.pk else None
        self._stored = {period.pk: _values(period, PERIOD_SAVED) for period in self.periods}

    def merge(self, version: ItemVersion) -> None:
        """Merges a version into the item, and into the period that it is about."""
        row = self.row
        _copy(merge_item(state_of(row), version), row)
        if state := period_of(version):
            period = self._period(state)
            _copy(merge_period(_period_state_of(period), state), period)
        # That of the current period, also when the newest version left the end out.
        current = (row.plan_id, row.period_start, row.is_trial)
        row.period_end = next((p.end for p in self.periods if _key(p) == current), None)

    def _period(self, state: PeriodState) -> Period:
        for period in self.periods:
            if _key(period) == _key(state):
                return period
        new = Period(item=self.row, **asdict(replace(state, earned=False)))
        self.periods = sorted([*self.periods, new], key=lambda period: period.start)
        return new

    def earnings(self, *, now: datetime, free: bool) -> list[Earning]:
        """Every grant of its periods, and this month's of the free plan if `free`."""
        earnings = [
            Earning(grant, self.credits.get(period.plan_id, 0), period)
            for period in self.periods
            for grant in self.grants_of(period)
        ]
        if free and not self._earned_by_paying:
            grant = free_grant(user_id=self.row.payer_id, now=now)
            earnings.append(Earning(grant, self.credits.get(self.row.plan_id, 0), None))
        return earnings

    @cached_property
    def credits(self) -> dict[str, int]:
        """The credits of each plan that is mapped."""
        return get_plans_credits()

    @property
    def _earned_by_paying(self) -> bool:
        """A plan that earned a period is no free plan, whatever it cost."""
        return any(period.earned and period.plan_id == self.row.plan_id for period in self.periods)

    def next_due(self, *, now: datetime) -> datetime | None:
        """When this item brings credits the next time by our clock, if nothing else happens."""
        earnings = self.earnings(now=now, free=False)
        moments = [e.grant.due for e in earnings if e.credits and e.grant.due > now]
        free = next_free_grant(state_of(self.row), now=now)
        if free and self.credits.get(self.row.plan_id) and not self._earned_by_paying:
            moments.append(free)
        return min(moments, default=None)

    def grants_of(self, period: Period) -> list[EarnedGrant]:
        row = self.row
        return list(
            grants_of(
                _period_state_of(period),
                ends=self.ends_of(period),
                payer_id=row.payer_id,
                instance_id=row.instance_id,
            )
        )

    def ends_of(self, period: Period) -> list[int]:
        """Moments at which the item ended, or this period gave way to a later one."""
        others = map(_period_state_of, self.periods)
        return [*self.row.ends, *replaced_at(_period_state_of(period), others)]

    def may_end_early(self, period: Period) -> bool:
        """Whether something may have been given for longer than the period lasts."""
        known_end = self._ends.get(period.pk, period.end)
        return bool(self.ends_of(period)) or known_end != period.end

    def save(self) -> None:
        """Saves what changed since it was read or saved."""
        if self._stored_row != _values(self.row, ROW_SAVED):
            self.row.save()
            self._stored_row = _values(self.row, ROW_SAVED)
        for period in self.periods:
            if self._stored.get(period.pk) != _values(period, PERIOD_SAVED):
                period.save()
                self._stored[period.pk] = _values(period, PERIOD_SAVED)


def _copy(state: ItemState | PeriodState, row: SubscriptionItem | Period) -> None:
    for name, value in asdict(state).items():
        setattr(row, name, list(value) if isinstance(value, tuple) else value)


def release(item: ItemWithPeriods, identity: Identity, now: datetime, *, free: bool) -> Result:
    """Grants what is due, of the free plan too if `free`, and moves expiries that changed. The note
    is UNMAPPED_PLAN when something earned waits for its plan to be mapped."""
    earnings = item.earnings(now=now, free=free)
    for period in item.periods:
        of_period = [earning for earning in earnings if earning.period is period]
        # Settled when what is due is all that the period can ever bring.
        released = (earning.credits and earning.grant.due <= now for earning in of_period)
        period.settled = bool(of_period) and all(released)
    item.save()  # Grants point to its rows.
    result = _grant([e for e in earnings if e.grant.due <= now], identity, item.row)
    if identity.user_id and (at := item.next_due(now=now)):
        set_due(user_id=identity.user_id, at=at)
    for period in item.periods:
        result.changes.extend(_end_early(period, item))
    mapped = all(period.plan_id in item.credits for period in item.periods if period.earned)
    return result if mapped else replace(result, note=Note.UNMAPPED_PLAN)


def _grant(due: list[Earning], identity: Identity, row: SubscriptionItem) -> Result:
    """Grants once per key; an existing grant keeps its amount, and has its expiry moved."""
    stored_grants = CreditGrant.objects.in_bulk(
        [earning.grant.key for earning in due], field_name="key"
    )
    changes, granted = list[Change](), 0
    for grant, credits, period in due:
        if stored := stored_grants.get(grant.key):
            changes += _move_end(stored, grant.expires_at)
        elif credits and identity.user_id:
            done = grant_credits(
                user_id=identity.user_id,
                source=CreditGrant.Source.PLAN,
                amount=credits,
                key=grant.key,
                expires_at=grant.expires_at,
                details={"plan": row.plan_name, "item": row.item_id},
                item_id=row.pk,
                period_id=period.pk if period else None,
            )
            changes.append(change("grant", done.id))
            granted += credits
    return Result(changes=changes, granted=granted)


def _move_end(grant: CreditGrant, expires_at: datetime) -> list[Change]:
    """The ledger may move it less: a grant lasts at least until its last use."""
    before = grant.expires_at
    if before == expires_at or not set_grant_expiry(key=grant.key, expires_at=expires_at):
        return []
    grant.refresh_from_db(fields=["expires_at"])
    ends = [at.isoformat() if at else None for at in (before, grant.expires_at)]
    return [change("end", grant.pk, before=ends[0], after=ends[1])]


def _end_early(period: Period, item: ItemWithPeriods) -> list[Change]:
    """What was given besides the period's own grants, or before its end was known (months of an
    annual plan, an admin's reset), lasts no longer than these."""
    row, grants = item.row, item.grants_of(period) if item.may_end_early(period) else []
    if not grants:
        return []
    # Under every item of its payer: they earn a period once, under whichever came first.
    same = Period.objects.filter(
        item__instance_id=row.instance_id,
        item__payer_kind=row.payer_kind,
        item__payer_id=row.payer_id,
        plan_id=period.plan_id,
        start=period.start,
        trial=period.trial,
    )
    later = CreditGrant.objects.filter(period__in=same)
    last = grants[-1].expires_at
    later = later.exclude(key__in=[grant.key for grant in grants]).filter(expires_at__gt=last)
    return [moved for grant in later for moved in _move_end(grant, last)]


@transaction.atomic
def record_payment(version: PaymentVersion) -> Result:
    """Keeps a payment once per payment id: several attempts share one, a paid one is final. Grants
    nothing: the subscription item says what was paid for."""
    if not version.payment_id:
        return Result(Note.MALFORMED)
    payment, is_new = Payment.objects.select_for_update().get_or_create(
        payment_id=version.payment_id, defaults=_payer_columns(version.payer)
    )
    before = None if is_new else payment.status
    order = [int(version.status == "paid"), version.updated, int(version.status == "failed")]
    if payment.version < order:
        values = asdict(version) | _payer_columns(version.payer)
        for name in values.keys() - {"payment_id", "payer", "updated"}:
            setattr(payment, name, values[name])
        payment.version = order
        payment.save()
    return Result(changes=_state_changed("payment", payment.payment_id, before, payment.status))


def _payer_columns(payer: Payer) -> dict[str, str]:
    return {"payer_kind": payer.kind, "payer_id": payer.id}
