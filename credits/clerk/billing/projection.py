"""From versions of a subscription item to its state and the grants it earns: pure functions whose
result is the same in whatever order the versions come.

State: the newest version wins, by a total order. Grants: a period is earned once any version, old
or new, was active or canceled in it.
"""

from calendar import monthrange
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from credits.clerk.parsing import ItemVersion
from credits.models.subscriptions import EARNING

#: Of two versions made in the same millisecond, the one nearer the end of an item's life is newer.
STAGES = ("upcoming incomplete", "past_due", "active", "canceled", "abandoned expired", "ended")
RANKS = {status: rank for rank, names in enumerate(STAGES, 1) for status in names.split()}
#: Clerk's clock may be ahead of ours by this much.
AHEAD = timedelta(minutes=5)
MONTHS = 12


def moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def add_months(start: int, months: int) -> int:
    """The same day so many months later, or the last day of a month that is too short."""
    day = moment(start)
    year, month = divmod(day.month - 1 + months, 12)
    year, month = day.year + year, month + 1
    fitting = min(day.day, monthrange(year, month)[1])
    return milliseconds(day.replace(year=year, month=month, day=fitting))


@dataclass(frozen=True)
class PeriodState:
    """A period of an item, as `credits.models.Period` keeps it."""

    plan_id: str
    start: int
    trial: bool
    annual: bool
    end: int | None = None
    end_version: int = 0
    earned: bool = False
    #: When Clerk made the oldest version by which it is earned.
    earned_version: int | None = None

    @property
    def last(self) -> int:
        """The end, or the end that such a period has when Clerk did not say."""
        return self.end or add_months(self.start, MONTHS if self.annual else 1)


@dataclass(frozen=True)
class ItemState:
    """An item, as `credits.models.SubscriptionItem` keeps it."""

    status: str = ""
    plan_id: str = ""
    plan_name: str = ""
    is_free: bool = False
    is_trial: bool = False
    annual: bool = False
    period_start: int | None = None
    version: tuple[int, ...] = ()
    ends: tuple[int, ...] = ()


def merge_item(stored: ItemState, version: ItemVersion) -> ItemState:
    """The state after this version: older ones add only the moment at which the item ended."""
    ends = tuple(sorted({*stored.ends, *([version.ended] if version.ended else [])}))
    rank, start, end = RANKS.get(version.status, 0), version.period_start, version.period_end
    order = (version.updated, rank, start or 0, end or 0)
    if stored.version >= order:
        return replace(stored, ends=ends)
    return ItemState(
        status=version.status,
        plan_id=version.plan_id or stored.plan_id,
        plan_name=version.plan_name or stored.plan_name,
        is_free=version.is_free,
        is_trial=version.is_trial,
        annual=version.annual,
        period_start=start or stored.period_start,
        version=order,
        ends=ends,
    )


def period_of(version: ItemVersion) -> PeriodState | None:
    """The period of this version; None for the free plan, and without a plan or a start."""
    if version.is_free or not version.plan_id or version.period_start is None:
        return None
    return PeriodState(
        plan_id=version.plan_id,
        start=version.period_start,
        trial=version.is_trial,
        annual=version.annual,
        end=version.period_end,
        end_version=version.updated if version.period_end else 0,
        earned=version.status in EARNING,
        earned_version=version.updated if version.status in EARNING else None,
    )


def merge_period(stored: PeriodState, seen: PeriodState) -> PeriodState:
    """Once earned, always earned, since the oldest such version. The end is the newest known
    one."""
    versions = stored.earned_version, seen.earned_version
    newer = (seen.end_version, seen.end or 0) > (stored.end_version, stored.end or 0)
    return replace(
        stored,
        annual=stored.annual or seen.annual,
        end=seen.end if newer else stored.end,
        end_version=max(seen.end_version, stored.end_version),
        earned=stored.earned or seen.earned,
        earned_version=min(filter(None, versions), default=None),
    )


def replaced_at(period: PeriodState, others: Iterable[PeriodState]) -> Iterator[int]:
    """Moments at which later periods of the same item took this one's place: an item has one period
    at a time, so a plan that changes within it, or a trial that becomes paid, ends what was. A
    period that begins later does so by its start. Of two with the same start, the one that was
    first seen later is the later one, since then."""
    for other in others:
        if other.earned and other.start > period.start:
            yield other.start
        elif other.earned and other.start == period.start:
            first, later = period.earned_version or 0, other.earned_version or 0
            if (first, period.plan_id, not period.trial) < (later, other.plan_id, not other.trial):
                yield max(later, period.start + 1)


class EarnedGrant(NamedTuple):
    """Credits that a period brings, once per key. `due` is when they are released."""

    key: str
    due: datetime
    expires_at: datetime


def grants_of(
    period: PeriodState, *, ends: Iterable[int], payer_id: str, instance_id: str
) -> Iterator[EarnedGrant]:
    """Every grant of a period, also those not yet due: one, or one a month for an annual plan. A
    grant lasts to the end of its period, or until the item ended if that was earlier; months that
    would begin after that are not granted."""
    if not period.earned:
        return
    ended = min((end for end in ends if end > period.start), default=period.last)
    last = min(period.last, ended)
    kind = "trial" if period.trial else "paid"
    key = f"clerk:{instance_id}:{payer_id}:{period.plan_id}:{period.start}:{kind}"
    if not period.annual:
        yield EarnedGrant(key, moment(period.start) - AHEAD, moment(last))
        return
    for month in range(MONTHS):
        begins = add_months(period.start, month)
        if month and begins >= last:
            return
        closes = add_months(period.start, month + 1) if month < MONTHS - 1 else last
        due = moment(begins) - (timedelta() if month else AHEAD)
        yield EarnedGrant(f"{key}:m{month}", due, moment(min(closes, last)))


def first_of_month(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def end_of_month(now: datetime) -> datetime:
    return moment(add_months(milliseconds(first_of_month(now)), 1))


def free_grant(*, user_id: str, now: datetime) -> EarnedGrant:
    """The free plan's credits for the calendar month of `now`: Clerk sends no renewals for it."""
    first = first_of_month(now)
    return EarnedGrant(f"free:{user_id}:{first:%Y-%m}", first, end_of_month(now))


def holds_free_plan(item: ItemState, *, now: datetime) -> bool:
    """Whether, by all we know, the free plan was active at any time of this month."""
    first = milliseconds(first_of_month(now))
    held = item.status in EARNING or any(end > first for end in item.ends)
    begun = item.period_start is not None and item.period_start <= milliseconds(now + AHEAD)
    return item.is_free and held and begun


def next_free_grant(item: ItemState, *, now: datetime) -> datetime | None:
    """When the free plan brings credits the next time: with the next month, or with its start."""
    if not item.is_free or item.status not in EARNING or item.period_start is None:
        return None
    starts = moment(item.period_start) - AHEAD
    return end_of_month(now) if starts <= now else starts


def proves_free_plan(version: ItemVersion, *, now: datetime) -> bool:
    """Whether this version alone shows that the free plan is held in this month. An older version
    does not: the item may have ended since. Nor does an end: a plan that was given for nothing ends
    like the free plan, and its other events may not have come yet."""
    first = milliseconds(first_of_month(now))
    return version.is_free and version.status in EARNING and version.updated >= first
