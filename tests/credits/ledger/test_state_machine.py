"""Any sequence of operations leaves PostgreSQL where a plain model in Python is."""

import os
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any, NamedTuple

import pytest
from django.db import transaction
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from credits import adjustments, ledger
from credits.amounts import PICO
from credits.exceptions import (
    ChargeHeld,
    CreditsBusy,
    IdempotencyConflict,
    InsufficientCredits,
    LedgerError,
    LimitReached,
    RefundTooLarge,
)
from credits.limits.setting import remove_limit, set_limit
from credits.models import CreditGrant, Limit, Use, User
from credits.reasons import Reason
from credits.uses import Tokens, settle_use
from tests.clock import Clock
from tests.credits.ledger.counting import counted
from tests.credits.ledger.model import MORE, Account, Charge, Grant, Price, Refused
from tests.factories import (
    make_charge,
    make_grant,
    make_model,
    make_reserve,
    make_token_price,
    make_user,
    set_price,
)
from tests.ledger import assert_ledger_is_consistent, sql

#: Sequences of up to forty steps; `make chaos` asks for more.
EXAMPLES = int(os.environ.get("LEDGER_EXAMPLES", "40"))
BY_PAYER = {Reason.STOPPED_EARLY, Reason.REFUSED}
START = datetime(2030, 1, 1, tzinfo=UTC)
users = st.integers(0, 1)
amounts = st.integers(1, 12)
which = st.integers(0, 10**6)
tokens = st.integers(0, 9000)
#: Pico-credits for a token: up to 2 credits for 1,000.
token_prices = st.integers(0, 2 * 10**9)
REFUSALS: dict[str, type[LedgerError]] = {
    "insufficient": InsufficientCredits,
    "limit_reached": LimitReached,
    "busy": CreditsBusy,
}


class Spent(NamedTuple):
    """A spend that went through, to be asked for again."""

    user: int
    quantity: int
    asked: dict[str, Any]
    answer: ledger.Charge


class LedgerMachine(RuleBasedStateMachine):
    """Two users' ledgers, in PostgreSQL and in the model. Time stands still but for `wait`."""

    @initialize()
    def begin(self) -> None:
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.clock, self.now, self.price, self.keys = Clock(), START, 1, 0
        self.clock.freeze(START)
        set_price("ai_text_chat", 1)
        self.model = make_model()
        self.token_price_changes(10**9 + 7, 2 * 10**9 - 1)
        self.people: list[User] = [make_user(), make_user()]
        self.accounts = [Account(), Account()]
        self.charge_ids: dict[Charge, int] = {}
        self.grant_keys: dict[Grant, str] = {}
        self.spent: list[Spent] = []
        # Enough for limits to be what refuses, most of the time.
        for user in (0, 1):
            self.grant(user, 20, 2, None)
            self.limit(user, "week", 15)

    def teardown(self) -> None:
        if hasattr(self, "transaction"):
            transaction.set_rollback(True)
            self.transaction.__exit__(None, None, None)

    # Credits come ------------------------------------------------------------------------------

    @rule(user=users, amount=amounts, priority=st.integers(1, 3), lifetime=st.none() | amounts)
    def grant(self, user: int, amount: int, priority: int, lifetime: int | None) -> None:
        expires = None if lifetime is None else self.now + timedelta(seconds=lifetime)
        key = self.key()
        for replayed in (False, True):
            answer = make_grant(
                self.people[user], amount, key=key, priority=priority, expires_at=expires
            )
            assert answer.replayed is replayed
        with pytest.raises(IdempotencyConflict):
            make_grant(self.people[user], amount + 1, key=key)
        self.grant_keys[self.accounts[user].fill(amount, priority, expires)] = key

    @precondition(lambda self: self.grant_keys)
    @rule(which=which, seconds=st.integers(-15, 15))
    def move_end(self, which: int, seconds: int) -> None:
        grant = list(self.grant_keys)[which % len(self.grant_keys)]
        [account] = [account for account in self.accounts if grant in account.grants]
        until = self.now + timedelta(seconds=seconds)
        moved = ledger.set_grant_expiry(key=self.grant_keys[grant], expires_at=until)
        assert moved is account.move_end(grant, until, self.now)

    @rule(user=users, delta=st.integers(-12, 12))
    def adjust(self, user: int, delta: int) -> None:
        self.adjusted(user, delta, {"delta": delta})

    @rule(user=users, goal=st.integers(0, 20))
    def set_to(self, user: int, goal: int) -> None:
        self.adjusted(user, goal - self.accounts[user].live(self.now), {"target": goal})

    def adjusted(self, user: int, change: int, asked: dict[str, int]) -> None:
        account, key = self.accounts[user], self.key()
        asked_for: dict[str, Any] = {**asked, "user_id": self.people[user].pk}
        asked_for |= {"reason": "r", "actor": "a"}
        if account.live(self.now) + change < 0:
            # What has expired is posted in the same transaction, and rolled back with it.
            with pytest.raises(InsufficientCredits):
                adjustments.adjust_credits(**asked_for, idempotency_key=key)
            return
        answer = adjustments.adjust_credits(**asked_for, idempotency_key=key)
        account.expire(self.now)
        if change > 0:
            account.fill(change, 100, None)
        account.burn(max(-change, 0))
        assert (answer.change, answer.balance) == (change, account.balance)
        again = adjustments.adjust_credits(**asked_for, idempotency_key=key)
        assert again.replayed is (change != 0)

    # Credits go --------------------------------------------------------------------------------

    @rule(user=users, quantity=st.integers(1, 6), lease=st.none() | amounts)
    def spend(self, user: int, quantity: int, lease: int | None) -> None:
        account, key = self.accounts[user], self.key()
        asked = {
            "idempotency_key": key,
            "fingerprint": "body",
            "hold": bool(lease),
            "lease_seconds": lease,
        }
        account.begin_spend(self.now)
        try:
            charge = account.spend(self.price, quantity, lease, self.now)
        except Refused as refused:
            with pytest.raises(REFUSALS[str(refused)]) as refusal:
                make_charge(self.people[user], quantity, **asked)
            if isinstance(refusal.value, InsufficientCredits):
                assert refusal.value.available == account.balance
            return
        answer = make_charge(self.people[user], quantity, **asked)
        assert (answer.credits, answer.balance) == (charge.total, account.balance)
        self.charge_ids[charge] = answer.id
        self.spent.append(Spent(user, quantity, asked, answer))

    @precondition(lambda self: self.spent)
    @rule(which=which)
    def spend_again(self, which: int) -> None:
        spent = self.spent[which % len(self.spent)]
        account, person = self.accounts[spent.user], self.people[spent.user]
        held = spent.answer.id in [self.charge_ids[charge] for charge in account.held]
        again = make_charge(person, spent.quantity, **spent.asked)
        assert again == spent.answer._replace(replayed=True, balance=account.balance, held=held)
        with pytest.raises(IdempotencyConflict):
            make_charge(person, spent.quantity, **{**spent.asked, "fingerprint": "other"})

    @rule(price=st.integers(0, 3))
    def price_changes(self, price: int) -> None:
        set_price("ai_text_chat", price)
        self.price = price

    # By tokens ---------------------------------------------------------------------------------

    @rule(read=token_prices, written=token_prices)
    def token_price_changes(self, read: int, written: int) -> None:
        make_token_price(self.model, input=read, cached=read, cache_write=read, output=written,
                         reasoning=written)  # fmt: skip
        self.token_price = Price(Fraction(read, PICO), Fraction(written, PICO))

    @rule(user=users, read=tokens, write=tokens, least=st.integers(1, 3000), lease=amounts)
    def reserve(self, user: int, read: int, write: int, least: int, lease: int) -> None:
        account, person = self.accounts[user], self.people[user]
        asked: dict[str, Any] = {"input_bound": read, "output": write, "least": least}
        asked["lease_seconds"] = lease
        account.begin_spend(self.now)
        try:
            charge, granted = account.reserve(self.token_price, read, write, least, lease, self.now)
        except Refused as refused:
            with pytest.raises(REFUSALS[str(refused)]):
                make_reserve(person, self.model, **asked)
            return
        answer = make_reserve(person, self.model, **asked)
        assert (answer.credits, answer.output_granted) == (charge.total, granted)
        assert answer.balance == account.balance
        self.charge_ids[charge] = answer.id

    @rule(which=which, read=tokens, written=tokens)
    def use(self, which: int, read: int, written: int) -> None:
        reserves = [charge for charge in self.charge_ids if charge.bound is not None]
        assume(reserves)
        charge = reserves[which % len(reserves)]
        [account] = [account for account in self.accounts if charge in account.charges]
        used = Tokens(read, 0, 0, written, 0, Use.Source.PROVIDER)
        answer = settle_use(charge_id=self.charge_ids[charge], tokens=used)
        if charge.lease_until is None:
            assert answer.outcome == "ended"
            return
        kept = account.use(charge, read, written, self.now)
        assert (answer.outcome, answer.kept, answer.refunded) == (
            "settled", kept, charge.total - kept,
        )  # fmt: skip

    # Limits ------------------------------------------------------------------------------------

    @rule(user=users, period=st.sampled_from(Limit.Period.values), credits=st.integers(0, 25))
    def limit(self, user: int, period: str, credits: int) -> None:
        person, account = self.people[user], self.accounts[user]
        set_limit(actor=person, account_id=person.pk, period=period, credits=credits)
        _, since = account.limits.get(period, (0, self.now.date()))
        account.limits[period] = (credits, since)
        account.is_counted = True

    @rule(user=users, which=which)
    def unlimit(self, user: int, which: int) -> None:
        person, account = self.people[user], self.accounts[user]
        assume(account.limits)
        period = list(account.limits)[which % len(account.limits)]
        limit = Limit.objects.get(account_id=person.pk, period=period)
        remove_limit(actor=person, account_id=person.pk, limit_id=limit.pk)
        del account.limits[period]

    # Holds end ---------------------------------------------------------------------------------

    @rule(which=which, delivered=st.none() | st.integers(0, 7), reason=st.sampled_from(Reason))
    def end(self, which: int, delivered: int | None, reason: Reason) -> None:
        account, charge = self.pick(which)
        if charge.bound is not None:
            delivered = 0  # Its use settles it.
        ending: dict[str, Any] = {"charge_id": self.charge_ids[charge], "delivered": delivered}
        answer = ledger.settle_charge(**ending, reason=reason)
        if charge.lease_until is None:
            returned = charge.total - charge.refundable
            assert answer == ledger.Ending("ended", None, returned)
            return
        assert answer.outcome == ("refunded" if delivered == 0 else "settled")
        by_payer = reason in BY_PAYER
        assert answer.refunded == account.end(charge, delivered, self.now, by_payer=by_payer)

    @rule(which=which, amount=st.none() | amounts)
    def refund(self, which: int, amount: int | None) -> None:
        account, charge = self.pick(which)
        asked: dict[str, Any] = {"charge_id": self.charge_ids[charge], "amount": amount}
        asked["reason"] = Reason.STOPPED_EARLY  # An admin's refund is never the payer's doing.
        key = self.key()
        if charge.lease_until:
            with pytest.raises(ChargeHeld):
                ledger.refund_charge(**asked, idempotency_key=key)
        elif charge.refundable == 0 or (amount or 0) > charge.refundable:
            with pytest.raises(RefundTooLarge):
                ledger.refund_charge(**asked, idempotency_key=key)
        else:
            expected = amount or charge.refundable
            for replayed in (False, True):
                answer = ledger.refund_charge(**asked, idempotency_key=key)
                assert (answer.credits, answer.replayed) == (expected, replayed)
            account.give_back(charge, expected, self.now)

    def pick(self, which: int) -> tuple[Account, Charge]:
        assume(self.charge_ids)
        charge = list(self.charge_ids)[which % len(self.charge_ids)]
        [account] = [account for account in self.accounts if charge in account.charges]
        return account, charge

    # Time passes -------------------------------------------------------------------------------

    @rule(
        seconds=st.integers(1, 15)
        | st.integers(1, 8).map(lambda days: days * 86_400)
        | st.just(round(MORE.total_seconds()))
    )
    def wait(self, seconds: int) -> None:
        self.now = self.clock.move(seconds=seconds)

    @rule()
    def sweep(self) -> None:
        overdue = [
            c for account in self.accounts for c in account.held if c.lease_until <= self.now
        ]
        assert ledger.sweep_holds(batch=2) == len(overdue)
        for account in self.accounts:
            account.sweep(self.now)

    @rule()
    def expire(self) -> None:
        ledger.expire_credits(batch=1)
        for account in self.accounts:
            account.expire(self.now)

    @rule(user=users)
    def read(self, user: int) -> None:
        account = self.accounts[user]
        account.expire(self.now)
        balance = ledger.get_balance(user_id=self.people[user].pk)
        assert balance.remaining == account.balance
        assert balance.held == sum(charge.total for charge in account.held)
        left = account.left(self.now)
        assert Fraction(balance.ahead, PICO) == account.ahead
        assert balance.room == (None if left is None else left * PICO)

    # ---------------------------------------------------------------------------------------------

    def key(self) -> str:
        self.keys += 1
        return f"key {self.keys}"

    @invariant()
    def both_agree(self) -> None:
        for person, account in zip(self.people, self.accounts, strict=True):
            assert stored(person) == (
                account.balance,
                [grant.remaining for grant in account.grants],
                [grant.expires_at for grant in account.grants],
                sorted(self.charge_ids[charge] for charge in account.held),
                account.ahead * PICO,
            )
            if account.is_counted:
                assert counted(person) == {
                    day: (account.spent[day] * PICO, account.held_of[day] * PICO)
                    for day in {*account.spent, *account.held_of}
                    if account.spent[day] or account.held_of[day]
                }


def stored(person: User) -> tuple[object, ...]:
    """What PostgreSQL has: balance, what is left of each grant by age, their ends, charges held,
    what is paid ahead."""
    return sql(
        "SELECT"
        " coalesce((SELECT credits_remaining FROM credits_creditbalance WHERE account_id = u), 0),"
        " ARRAY(SELECT remaining FROM credits_creditgrant WHERE account_id = u ORDER BY id),"
        " ARRAY(SELECT expires_at FROM credits_creditgrant WHERE account_id = u ORDER BY id),"
        " ARRAY(SELECT charge_id FROM credits_hold WHERE account_id = u ORDER BY charge_id),"
        " coalesce((SELECT pico FROM credits_paidahead WHERE account_id = u), 0)"
        " FROM (VALUES (%s)) AS person(u)",
        person.pk,
    )[0]


class CheckedMachine(LedgerMachine):
    """As above, and the ledger's own checks find nothing at the end."""

    def teardown(self) -> None:
        try:
            if hasattr(self, "transaction"):
                assert_ledger_is_consistent()
        finally:
            super().teardown()


@pytest.mark.django_db
@pytest.mark.parametrize("sweep", [False, True], ids=["by the next spend", "by the sweeper"])
def test_leases_that_ran_out_end_in_the_order_of_their_ends(sweep: bool) -> None:
    """The shorter lease is of the later charge. What comes back first is the older of two grants
    that end together, and so burns first, whoever ends the holds."""
    machine = CheckedMachine()
    machine.begin()
    try:
        machine.grant(user=0, amount=3, priority=1, lifetime=1)
        machine.reserve(user=0, read=0, write=501, least=1, lease=2)
        machine.spend(user=0, quantity=1, lease=1)
        machine.wait(seconds=round(MORE.total_seconds()))
        if sweep:
            machine.sweep()
        machine.spend(user=0, quantity=1, lease=None)
        machine.both_agree()
        assert [grant.remaining for grant in machine.accounts[0].grants] == [20, 0, 0, 2]
    finally:
        machine.teardown()


@pytest.mark.django_db
def test_postgresql_does_what_the_plain_model_does() -> None:
    assert CreditGrant.objects.count() == 0
    run_state_machine_as_test(
        CheckedMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=40,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
