"""Many threads doing everything to a few users at once, as chance will have it."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from django.db import IntegrityError

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
from credits.limits.alerts import tell_reached
from credits.limits.setting import NoSuchLimit, remove_limit, set_limit
from credits.models import AIModel, Limit, User
from credits.models.tokens import BUCKETS
from credits.reasons import Reason
from credits.uses import Tokens, settle_use
from tests.clock import Clock
from tests.factories import make_charge, make_grant, make_reserve, make_token_price, set_price

#: What a hammer swings at a charge by tokens that is none, or the other way round.
WRONG_KIND = ("i8_use_names_its_price", "i9_settled_by_its_use")


@dataclass
class Hammer:
    """One thread's random choices. `charges` is shared, so that threads end each other's holds;
    `done` counts what happened, by operation and outcome."""

    random: Random
    users: list[User]
    #: Priced by tokens.
    model: AIModel
    charges: list[int]
    done: Counter[str] = field(default_factory=Counter)

    def strike(self, times: int) -> Counter[str]:
        blows: list[Callable[[], object]] = [
            self.spend, self.spend, self.hold, self.hold, self.settle, self.release, self.refund,
            self.adjust, self.grant, self.read, self.price, sweep_holds, expire_credits,
            self.reserve, self.reserve, self.reserve, self.use, self.use, self.use,
            self.token_price, self.limit, self.limit, self.unlimit, self.tell,
        ]  # fmt: skip
        for _ in range(times):
            blow = self.random.choice(blows)
            try:
                blow()
                self.done[blow.__name__] += 1
            except (LedgerError, NoSuchLimit) as error:
                self.done[f"{blow.__name__} {type(error).__name__}"] += 1
            except IntegrityError as error:
                if error.__cause__.diag.constraint_name not in WRONG_KIND:
                    raise
                self.done[f"{blow.__name__} of the wrong kind"] += 1
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

    def reserve(self) -> None:
        """Of any length; now and then at once past its lease."""
        reserve = make_reserve(
            self.user,
            self.model,
            input_bound=self.random.randint(0, 900),
            output=self.random.randint(0, 3000),
            named=self.random.random() < 0.5,
            idempotency_key=self.key,
            lease_seconds=self.random.choice([1, 1, 600]),
        )
        self.charges.append(reserve.id)

    def use(self) -> None:
        """Often late, or for the second time; sometimes more than was reserved."""
        parts = [self.random.randint(0, 400) for _ in range(5)]
        rest, cached, written, answer, reasoning = parts
        counts = (rest + cached + written, cached, written, answer + reasoning, reasoning)
        settle_use(charge_id=self.charge, tokens=Tokens(*counts, "provider"))

    def token_price(self) -> None:
        prices = {bucket: self.random.randint(0, 3 * 10**9) for bucket in BUCKETS}
        make_token_price(self.model, **prices, request=self.random.choice([0, 7]))

    def limit(self) -> None:
        user, period = self.user, self.random.choice(["day", "month", "ever"])
        credits = self.random.choice([0, 5, 20, 200, 200])
        set_limit(actor=user, account_id=user.pk, period=period, credits=credits)

    def unlimit(self) -> None:
        user = self.user
        limit = Limit.objects.filter(account_id=user.pk).order_by("?").first()
        remove_limit(actor=user, account_id=user.pk, limit_id=limit.pk if limit else 0)

    def tell(self) -> None:
        tell_reached(account_id=self.user.pk)

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
