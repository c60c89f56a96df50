"""The ledger as anyone would write it who had one user at a time, no failures and all the time in
the world. What PostgreSQL does is compared with it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

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


@dataclass(eq=False)
class Charge:
    unit_cost: int
    quantity: int
    lease_until: datetime | None
    paid: list[tuple[Grant, int]]
    returned: dict[Grant, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return self.unit_cost * self.quantity

    @property
    def refundable(self) -> int:
        return self.total - sum(self.returned.values())


@dataclass(eq=False)
class Account:
    """One user's side of the ledger."""

    grants: list[Grant] = field(default_factory=list)
    charges: list[Charge] = field(default_factory=list)

    @property
    def balance(self) -> int:
        return sum(grant.remaining for grant in self.grants)

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
        for charge in self.held:
            if charge.lease_until and charge.lease_until <= now:
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

    def spend(self, unit_cost: int, quantity: int, lease: int | None, now: datetime) -> Charge:
        lease_until = now + timedelta(seconds=lease) if lease else None
        paid = self.burn(unit_cost * quantity)
        for grant, _ in paid:
            grant.last_use = now
        self.charges.append(Charge(unit_cost, quantity, lease_until, paid))
        return self.charges[-1]

    def end(
        self, charge: Charge, delivered: int | None, now: datetime, *, by_payer: bool = False
    ) -> int:
        """Ends a hold; what was refunded."""
        charge.lease_until = None
        delivered = charge.quantity if delivered is None else min(delivered, charge.quantity)
        amount = charge.unit_cost * (charge.quantity - delivered)
        self.give_back(charge, amount, now, by_payer=by_payer)
        return amount

    def give_back(
        self, charge: Charge, amount: int, now: datetime, *, by_payer: bool = False
    ) -> None:
        """What burns last gets it back first. What has expired comes as a grant of its own, which
        the payer's own doing does not make live."""
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
