"""The ledger as anyone would write it who had one user at a time, no failures and all the time in
the world. What PostgreSQL does is compared with it."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from fractions import Fraction
from math import ceil, floor
from operator import itemgetter
from typing import NamedTuple

#: How long credits live on that come back after their grant has expired, not by the payer's doing.
MORE = timedelta(days=30)


@dataclass(eq=False)
class Grant:
    amount: int
    priority: int
    expires_at: datetime | None
    remaining: int = 0
    expired: bool = False
    number: int = 0
    last_use: datetime | None = None

    def is_live(self, now: datetime) -> bool:
        return not self.expired and (self.expires_at is None or self.expires_at > now)

    def burn_order(self) -> tuple[int, float, int]:
        expiry = self.expires_at.timestamp() if self.expires_at else float("inf")
        return self.priority, expiry, self.number


class Price(NamedTuple):
    """Credits for a token that is read and one that is written."""

    read: Fraction
    written: Fraction


class Refused(Exception):
    """The argument says why: `limit_reached`, `insufficient` or `busy`."""


@dataclass(eq=False)
class Charge:
    """A charge per unit, or with a `bound` (credits) one by tokens at a `price`."""

    unit_cost: int
    quantity: int
    lease_until: datetime | None
    paid: list[tuple[Grant, int]]
    day: date
    bound: Fraction | None = None
    price: Price | None = None
    returned: dict[Grant, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return self.unit_cost * self.quantity

    @property
    def most(self) -> Fraction:
        """What limits count while it is held."""
        return Fraction(self.total) if self.bound is None else self.bound

    @property
    def refundable(self) -> int:
        return self.total - sum(self.returned.values())


@dataclass(eq=False)
class Account:
    """One user's side of the ledger."""

    grants: list[Grant] = field(default_factory=list)
    charges: list[Charge] = field(default_factory=list)
    #: What is paid ahead, and what was spent and is held by the charges of each day, in credits.
    ahead: Fraction = Fraction(0)
    spent: defaultdict[date, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    held_of: defaultdict[date, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    #: By their period: credits, and the first day of one in all.
    limits: dict[str, tuple[int, date]] = field(default_factory=dict)
    is_counted: bool = False

    @property
    def balance(self) -> int:
        return sum(grant.remaining for grant in self.grants)

    def live(self, now: datetime) -> int:
        """The balance without what has expired by now."""
        return sum(grant.remaining for grant in self.grants if grant.is_live(now))

    @property
    def held(self) -> list[Charge]:
        return [charge for charge in self.charges if charge.lease_until]

    def fill(self, amount: int, priority: int, expires_at: datetime | None) -> Grant:
        grant = Grant(amount, priority, expires_at, remaining=amount, number=len(self.grants))
        self.grants.append(grant)
        return grant

    def move_end(self, grant: Grant, until: datetime, now: datetime) -> bool:
        """Whether the end of a grant was moved: never to before its last use."""
        if grant.last_use:
            until = max(until, grant.last_use + timedelta(microseconds=1))
        brought_back = grant.expired and grant.expires_at is not None and until > grant.expires_at
        if until == grant.expires_at or brought_back:
            return False
        grant.expires_at = until
        self.expire(now)
        return True

    def expire(self, now: datetime) -> None:
        for grant in self.grants:
            if not grant.expired and not grant.is_live(now):
                grant.remaining, grant.expired = 0, True

    def sweep(self, now: datetime) -> None:
        """Ends what is held longer than its lease: the first to lapse first, then the oldest."""
        lapsed = [(c.lease_until, c) for c in self.charges if c.lease_until]
        for until, charge in sorted(lapsed, key=itemgetter(0)):
            if until <= now:
                self.end(charge, 0, now)

    def burn(self, total: int) -> list[tuple[Grant, int]]:
        paid = []
        for grant in sorted(self.grants, key=Grant.burn_order):
            part = min(grant.remaining, total)
            if part:
                grant.remaining -= part
                total -= part
                paid.append((grant, part))
        return paid

    def begin_spend(self, now: datetime) -> None:
        self.sweep(now)
        self.expire(now)

    def left(self, now: datetime, *, later: bool = False) -> Fraction | None:
        """What the limits leave, or will once nothing is held; None without any."""
        return min((max(left, Fraction(0)) for left in self._lefts(now, later=later)), default=None)

    def _lefts(self, now: datetime, *, later: bool) -> Iterator[Fraction]:
        for period, (credits, since) in self.limits.items():
            first = first_day(period, now.date(), since)
            spent = sum(self.spent[day] for day in self.spent if day >= first)
            held = sum(self.held_of[day] for day in self.held_of if day >= first)
            yield Fraction(credits - spent - (0 if later else held))

    def spend(self, unit_cost: int, quantity: int, lease: int | None, now: datetime) -> Charge:
        total = unit_cost * quantity
        self._check_limits(Fraction(total), now, later=True)
        if self.balance < total:
            raise Refused("insufficient")
        self._check_limits(Fraction(total), now, later=False)
        return self._charge(Charge(unit_cost, quantity, None, [], now.date()), lease, now)

    def _check_limits(self, total: Fraction, now: datetime, *, later: bool) -> None:
        left = self.left(now, later=later)
        if left is not None and left < total:
            raise Refused("limit_reached" if later else "busy")

    def reserve(
        self, price: Price, read: int, write: int, least: int, lease: int, now: datetime
    ) -> tuple[Charge, int]:
        """A charge for a call that reads at most so many tokens, and the tokens that it may write:
        as many of `write` as are paid for, `least` at least."""
        fixed = read * price.read
        least_bound = fixed + min(least, write) * price.written
        self._check_limits(least_bound, now, later=True)
        if ceil(least_bound) > self.balance + sum(charge.total for charge in self.held):
            raise Refused("insufficient")
        left = self.left(now)
        room = Fraction(self.balance) if left is None else min(Fraction(self.balance), left)
        if room < least_bound:
            raise Refused("busy")
        granted = write
        if price.written:
            granted = min(write, floor((room - fixed) / price.written))
        bound = fixed + granted * price.written
        charge = Charge(ceil(bound), 1, None, [], now.date(), bound, price)
        return self._charge(charge, lease, now), granted

    def _charge(self, charge: Charge, lease: int | None, now: datetime) -> Charge:
        charge.paid = self.burn(charge.total)
        charge.lease_until = now + timedelta(seconds=lease) if lease else None
        for grant, _ in charge.paid:
            grant.last_use = now
        (self.held_of if lease else self.spent)[charge.day] += charge.most
        self.charges.append(charge)
        return charge

    def use(self, charge: Charge, read: int, written: int, now: datetime) -> int:
        """Settles a charge by tokens; the whole credits that it keeps."""
        assert charge.bound is not None
        assert charge.price is not None
        cost = read * charge.price.read + written * charge.price.written
        collected = min(cost, charge.bound)
        kept = max(0, ceil(collected - self.ahead))
        self.ahead += kept - collected
        charge.lease_until = None
        self.held_of[charge.day] -= charge.bound
        self.spent[charge.day] += collected
        self.give_back(charge, charge.total - kept, now, by_payer=True)
        return kept

    def end(
        self, charge: Charge, delivered: int | None, now: datetime, *, by_payer: bool = False
    ) -> int:
        """Ends a hold; what was refunded."""
        charge.lease_until = None
        self.held_of[charge.day] -= charge.most
        self.spent[charge.day] += charge.most if charge.bound is None else 0
        delivered = charge.quantity if delivered is None else min(delivered, charge.quantity)
        amount = charge.unit_cost * (charge.quantity - delivered)
        self.give_back(charge, amount, now, by_payer=by_payer)
        return amount

    def give_back(
        self, charge: Charge, amount: int, now: datetime, *, by_payer: bool = False
    ) -> None:
        """What burns last gets it back first. What has expired comes as a grant of its own, which
        the payer's own doing does not make live. Of a charge by tokens its use stays counted."""
        if charge.bound is None:
            self.spent[charge.day] -= amount
        paid_by = sorted(charge.paid, key=lambda part: Grant.burn_order(part[0]), reverse=True)
        for grant, paid in paid_by:
            part = min(paid - charge.returned.get(grant, 0), amount)
            if not part:
                continue
            charge.returned[grant] = charge.returned.get(grant, 0) + part
            amount -= part
            if grant.is_live(now):
                grant.remaining += part
            else:
                until = grant.expires_at if by_payer else now + MORE
                self.fill(part, grant.priority, until)
                if by_payer:
                    self.expire(now)


def first_day(period: str, today: date, since: date) -> date:
    """The first day of a limit's period."""
    starts = {
        "day": today,
        "week": today - timedelta(days=today.weekday()),
        "month": today.replace(day=1),
        "ever": since,
    }
    return starts[period]
