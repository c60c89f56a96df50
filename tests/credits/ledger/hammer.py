"""Many threads doing everything to a few users at once, as chance will have it."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from credits.adjustments import adjust_credits
from credits.exceptions import LedgerError
from credits.ledger import (
    expire_credits,
    get_balance,
    refund_charge,
    release_charge,
    settle_charge,
    sweep_holds,
)
from credits.models import User
from credits.reasons import Reason
from tests.clock import Clock
from tests.factories import make_charge, make_grant, set_price


@dataclass
class Hammer:
    """One thread's random choices. `charges` is shared, so that threads end each other's holds;
    `done` counts what happened, by operation and outcome."""

    random: Random
    users: list[User]
    charges: list[int]
    done: Counter[str] = field(default_factory=Counter)

    def strike(self, times: int) -> Counter[str]:
        blows: list[Callable[[], object]] = [
            self.spend, self.spend, self.hold, self.hold, self.settle, self.release, self.refund,
            self.adjust, self.grant, self.read, self.price, sweep_holds, expire_credits,
        ]  # fmt: skip
        for _ in range(times):
            blow = self.random.choice(blows)
            try:
                blow()
                self.done[blow.__name__] += 1
            except LedgerError as error:
                self.done[f"{blow.__name__} {type(error).__name__}"] += 1
        return self.done

    def spend(self) -> None:
        charge = make_charge(self.user, self.random.randint(1, 4), idempotency_key=self.key)
        self.charges.append(charge.id)

    def hold(self) -> None:
        lease = self.random.choice([1, 1, 600])
        charge = make_charge(self.user, 4, hold=True, lease_seconds=lease)
        self.charges.append(charge.id)

    def settle(self) -> None:
        delivered = self.random.choice([None, 1, 3])
        settle_charge(charge_id=self.charge, delivered=delivered, reason=self.reason)

    def release(self) -> None:
        release_charge(charge_id=self.charge, reason=self.reason)

    def refund(self) -> None:
        amount = self.random.choice([None, 1, 2])
        refund_charge(
            charge_id=self.charge, reason="hammer", idempotency_key=self.key, amount=amount
        )

    def adjust(self) -> None:
        delta = self.random.choice([-5, -1, 3, 8])
        adjust_credits(
            user_id=self.user.pk, reason="x", actor="y", idempotency_key=self.key, delta=delta
        )

    def grant(self) -> None:
        expires = Clock().now() + timedelta(milliseconds=self.random.choice([1, 300, 10**7]))
        make_grant(
            self.user,
            self.random.randint(1, 9),
            key=self.key,
            expires_at=self.random.choice([None, expires]),
        )

    def read(self) -> None:
        assert get_balance(user_id=self.user.pk).remaining >= 0

    def price(self) -> None:
        set_price("ai_text_chat", self.random.randint(0, 3))

    @property
    def user(self) -> User:
        return self.random.choice(self.users)

    @property
    def charge(self) -> int:
        return self.random.choice(self.charges)

    @property
    def reason(self) -> Reason:
        """The payer's own doing, or not."""
        return self.random.choice([Reason.STOPPED_EARLY, Reason.TIMEOUT])

    @property
    def key(self) -> str:
        """Now and then one that was used before, by this thread or another."""
        return f"key {self.random.randint(1, 400)}"
