"""Charges by tokens when two things happen at once: each round comes out as one of the two orders.
`make chaos` asks for a hundred rounds of each."""

import os
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from credits.amounts import PICO
from credits.exceptions import AccountClosed, BadKey
from credits.ledger import (
    expire_credits,
    get_balance,
    refund_charge,
    release_charge,
    sweep_holds,
    wait_for_spends,
)
from credits.models import AIModel, ApiKey, CreditGrant, Hold, PaidAhead, Use, User
from credits.reasons import Reason
from credits.uses import Reserve, Tokens, UseEnding, settle_use
from tests.clock import Clock
from tests.credits.ledger.counting import assert_counted, make_dear_model
from tests.factories import make_charge, make_grant, make_key, make_limit, make_reserve, make_user
from tests.ledger import sql, sql_balance
from tests.parallel import in_parallel

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = int(os.environ.get("LEDGER_ROUNDS", "5"))
PROVIDER = Use.Source.PROVIDER


@pytest.fixture
def model(db: None) -> AIModel:
    """1 credit per 1,000 tokens that are read, 2 per 1,000 that are written."""
    return make_dear_model()


def tokens(written: int) -> Tokens:
    return Tokens(0, 0, 0, written, 0, PROVIDER)


def test_of_two_that_settle_the_first_decides_and_both_hear_it(alice: User, model: AIModel) -> None:
    """With different counts, as of a worker that was away too long."""
    make_limit(alice, 10**6)
    make_grant(alice, 10**5)
    for _ in range(ROUNDS):
        reserve = make_reserve(alice, model)

        def settle(number: int, charge_id: int = reserve.id) -> UseEnding:
            return settle_use(charge_id=charge_id, tokens=tokens(100 * (number + 1)))

        endings = in_parallel(3, settle)
        [first] = [each for each in endings if each.outcome == "settled"]
        figures = {each._replace(outcome="", refund_id=None) for each in endings}
        assert figures == {first._replace(outcome="", refund_id=None)}
    assert_counted(alice)


def test_settled_swept_and_released_at_once_with_limits_it_is_counted_once(
    alice: User, model: AIModel, clock: Clock
) -> None:
    """Beside a spend of the same account, which sweeps by itself."""
    make_limit(alice, 10**6)
    make_grant(alice, 10**5)
    outcomes: Counter[str] = Counter()
    for _ in range(ROUNDS):
        charge_id = make_reserve(alice, model, lease_seconds=60).id
        clock.move(seconds=61)
        ways: list[Callable[[], Any]] = [
            lambda: settle_use(charge_id=charge_id, tokens=tokens(500)).outcome,  # noqa: B023
            lambda: release_charge(charge_id=charge_id, reason=Reason.TIMEOUT).outcome,  # noqa: B023
            lambda: f"swept {sweep_holds()}",
            lambda: f"spent {make_charge(alice).credits}",
        ]
        answers = in_parallel(4, lambda number: ways[number]())  # noqa: B023
        outcomes.update(answers)
        assert sum(answer in {"settled", "refunded", "swept 1"} for answer in answers) <= 1
        assert Use.objects.filter(charge=charge_id).count() == 1
    assert not Hold.objects.exists()
    assert outcomes["spent 1"] == ROUNDS
    assert_counted(alice)


@pytest.mark.parametrize("by_payer", [True, False])
def test_credits_that_ended_while_they_were_held_leave_however_the_call_ends(
    model: AIModel, clock: Clock, by_payer: bool
) -> None:
    """What was not used leaves at once, beside the sweep of the grants; after a failure of ours it
    lives 30 days more, and then leaves."""
    clock.freeze()
    for number in range(ROUNDS):
        user = make_user()
        make_grant(user, 10, expires_at=clock.now() + timedelta(seconds=60))
        charge_id = make_reserve(user, model, lease_seconds=600).id
        clock.move(seconds=59.9 if number % 2 else 61)

        def act(thread: int) -> None:
            if thread == 0 and by_payer:
                settle_use(charge_id=charge_id, tokens=tokens(500))  # noqa: B023
            elif thread == 0:
                release_charge(charge_id=charge_id, reason=Reason.TIMEOUT)  # noqa: B023
            elif thread == 1:
                expire_credits()
            else:
                get_balance(user_id=user.pk)  # noqa: B023

        in_parallel(3, act)
        clock.move(seconds=2)
        left = get_balance(user_id=user.pk)
        assert left.remaining == (0 if by_payer or number % 2 else 3)
        assert not CreditGrant.objects.filter(account=user.pk, expires_at=None).exists()
        clock.move(days=31)
        assert get_balance(user_id=user.pk).remaining == 0


def test_once_a_key_is_revoked_it_reserves_nothing_more(model: AIModel) -> None:
    rich = make_user(credits=10**5)
    for _ in range(ROUNDS):
        key = make_key(rich)
        revoked: list[int] = []

        def act(number: int) -> int:
            if number == 0:
                ApiKey.objects.filter(pk=key.pk).update(revoked_at=datetime.now(UTC))  # noqa: B023
                revoked.append(last_row(rich))  # noqa: B023
                return 0
            for made in count():
                try:
                    make_reserve(rich, model, key_id=key.pk, output=10)  # noqa: B023
                except BadKey:
                    return made
            raise AssertionError

        in_parallel(4, act)
        # A reserve that had found it good before may be committed just after: one per thread.
        late = rich.usage.filter(api_key=key, pk__gt=revoked[0]).count()
        assert late <= 3


def last_row(user: User) -> int:
    [(row,)] = sql("SELECT last_usage_id FROM credits_creditbalance WHERE account_id = %s", user.pk)
    return int(row)


def test_once_an_account_is_closed_nothing_is_reserved_and_what_is_held_ends(
    model: AIModel,
) -> None:
    for _ in range(ROUNDS):
        user, closed = make_user(credits=1000), []

        def act(number: int) -> list[Reserve]:
            if number == 0:
                User.objects.filter(pk=user.pk).update(is_active=False)  # noqa: B023
                wait_for_spends(user_id=user.pk)  # noqa: B023
                closed.append(last_row(user))  # noqa: B023
                return []
            made: list[Reserve] = []
            while True:
                try:
                    made.append(make_reserve(user, model, output=10))  # noqa: B023
                except AccountClosed:
                    return made

        reserves = [each for made in in_parallel(4, act) for each in made]
        assert last_row(user) == closed[0]
        endings = [settle_use(charge_id=each.id, tokens=tokens(5)) for each in reserves]
        assert {each.outcome for each in endings} <= {"settled"}
        assert not Hold.objects.filter(account_id=user.pk).exists()


def test_limits_that_come_and_go_beside_calls_leave_the_counters_exact(model: AIModel) -> None:
    for _ in range(ROUNDS):
        user = make_user(credits=1000)

        def act(number: int) -> None:
            if number == 0:
                for size in (500, 100, 900):
                    make_limit(user, size).delete()  # noqa: B023
                return
            for step in range(4):
                reserve = make_reserve(user, model, output=10)  # noqa: B023
                if step % 2:
                    settle_use(charge_id=reserve.id, tokens=tokens(3))
                else:
                    release_charge(charge_id=reserve.id, reason=Reason.TIMEOUT)

        in_parallel(4, act)
        assert_counted(user)


def test_credits_of_a_use_that_an_admin_returns_leave_what_is_paid_ahead(
    alice: User, model: AIModel
) -> None:
    """However often, and in parts, by several at once: no more than the use kept (I4)."""
    make_limit(alice, 10**6)
    reserve = make_reserve(alice, model, output=10_000)
    ending = settle_use(charge_id=reserve.id, tokens=tokens(2100))
    assert ending.kept == 5
    before = PaidAhead.objects.get(account=alice.pk).pico

    def give_back(number: int) -> int:
        answer = refund_charge(
            charge_id=reserve.id, reason="r", idempotency_key=f"k{number}", amount=2
        )
        return answer.credits

    answers = in_parallel(6, give_back, catch=Exception)
    assert sum(answer for answer in answers if isinstance(answer, int)) == 4
    assert sql_balance(alice) == 100 - 5 + 4
    assert PaidAhead.objects.get(account=alice.pk).pico == before == 800 * 10**9
    late = settle_use(charge_id=reserve.id, tokens=tokens(1))
    assert (late.outcome, late.kept, late.collected) == ("ended", 5, 4200 * 10**9)
    assert ending.collected == 4.2 * PICO
    assert_counted(alice)
