"""I11: no limit is passed, by any number of calls at once, and the counters are what the journal,
the holds and the uses come to."""

import threading
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, connection

from credits.amounts import PICO
from credits.exceptions import CreditsBusy, LedgerError, LimitReached
from credits.ledger import (
    Charge,
    deduct_credits_for_feature,
    refund_charge,
    release_charge,
    settle_charge,
    sweep_holds,
)
from credits.limit_states import limit_states
from credits.limits.setting import set_limit
from credits.models import AIModel, Hold, Limit, SpendDay, Use, User
from credits.uses import Tokens, settle_use
from tests.clock import Clock
from tests.credits.ledger.counting import (
    add_member,
    assert_counted,
    spent,
)
from tests.factories import (
    make_charge,
    make_key,
    make_limit,
    make_reserve,
    make_user,
)
from tests.ledger import sql, sql_balance
from tests.parallel import backend_pid, count_of, in_background, in_parallel, kill_backends

pytestmark = pytest.mark.django_db
together = pytest.mark.django_db(transaction=True)
PROVIDER = Use.Source.PROVIDER
REFUSED = (LimitReached, CreditsBusy)


@together
@pytest.mark.parametrize("hold", [False, True])
@pytest.mark.parametrize(("limit", "quantity", "covered"), [(7, 1, 7), (23, 3, 7), (0, 1, 0)])
def test_of_fifty_spends_at_once_those_within_the_limit_go_through(
    rich: User, hold: bool, limit: int, quantity: int, covered: int
) -> None:
    make_limit(rich, limit)
    answers = in_parallel(50, lambda _: make_charge(rich, quantity, hold=hold), catch=LedgerError)
    assert count_of(answers, Charge) == covered
    assert count_of(answers, REFUSED) == 50 - covered  # type: ignore[arg-type]
    assert sql_balance(rich) == 100_000 - covered * quantity
    assert spent(rich) == covered * quantity * PICO
    assert_counted(rich)


@together
def test_five_hundred_of_all_kinds_never_pass_it(rich: User, model: AIModel) -> None:
    """Messages, images, calls by tokens; with holds that are settled and released meanwhile."""
    make_limit(rich, 60)
    passed: list[int] = []

    def work(number: int) -> int:
        return sum(_spend_somehow(rich, model, number + step, passed) for step in range(20))

    through = sum(in_parallel(25, work))
    assert 0 < through < 500
    assert passed == []
    assert spent(rich) <= 60 * PICO
    assert spent(rich) > 55 * PICO, "It was used nearly up."
    assert_counted(rich)
    [state] = limit_states(account_id=rich.pk)
    assert (state.spent, state.held) == (spent(rich), 0)


def _spend_somehow(user: User, model: AIModel, number: int, passed: list[int]) -> bool:
    """One of four ways, to its end; whether it was let through. Who sees more than the limit in the
    counters adds that to `passed`."""
    try:
        match number % 4:
            case 0:
                make_charge(user)
            case 1:
                charge = deduct_credits_for_feature(
                    user_id=user.pk, feature="ai_image_generation", quantity=2, hold=True
                )
                settle_charge(charge_id=charge.id, delivered=1, reason="short")
            case 2:
                reserve = make_reserve(user, model, output=500)
                settle_use(charge_id=reserve.id, tokens=Tokens(300, 7, 0, 123, 5, PROVIDER))
            case 3:
                held = make_charge(user, 3, hold=True)
                release_charge(charge_id=held.id, reason="provider_error")
    except REFUSED:
        return False
    finally:
        [(total,)] = sql(
            "SELECT sum(spent + held) FROM credits_spendday WHERE account_id = %s", user.pk
        )
        if total > 60 * PICO:
            passed.append(total)
    return True


@together
def test_a_key_a_member_and_the_account_each_keep_to_their_own(rich: User, bob: User) -> None:
    add_member(rich, bob)
    mine, his = make_key(rich), make_key(rich, bob)
    make_limit(rich, 30)
    make_limit(rich, 9, api_key=mine)
    make_limit(rich, 12, member=bob)
    who: list[dict[str, Any]] = [
        {"key_id": mine.pk},
        {"member_id": bob.pk},
        {"member_id": bob.pk, "key_id": his.pk},
        {},
    ]
    answers = in_parallel(
        48, lambda n: make_charge(rich, n % 3 + 1, **who[n % 4]), catch=LedgerError
    )
    assert count_of(answers, REFUSED) > 0  # type: ignore[arg-type]
    sums = {
        (member, key): int(total) // PICO
        for member, key, total in sql(
            "SELECT member_id, api_key_id, sum(spent) FROM credits_spendday GROUP BY 1, 2"
        )
    }
    assert sums.get((rich.pk, mine.pk), 0) <= 9
    assert sums.get((bob.pk, 0), 0) + sums.get((bob.pk, his.pk), 0) <= 12
    assert 27 < sum(sums.values()) <= 30
    assert_counted(rich)


@together
def test_a_limit_that_is_lowered_meanwhile_is_kept_from_then_on(rich: User, model: AIModel) -> None:
    for _ in range(5):
        user = make_user(credits=1000)
        make_limit(user, 500)
        seen: list[int] = []

        def act(number: int) -> None:
            if number == 0:
                set_limit(actor=user, account_id=user.pk, period="day", credits=5)  # noqa: B023
                seen.append(spent(user))  # noqa: B023
                return
            for _ in range(6):
                try:
                    make_reserve(user, model, output=500)  # noqa: B023
                except REFUSED:
                    break

        in_parallel(12, act)
        assert spent(user) <= max(seen[0], 5 * PICO)
        assert_counted(user)


# Counting begins


@together
def test_counting_begins_exactly_in_the_middle_of_everything(model: AIModel) -> None:
    """The first limit comes while spends, holds, endings and refunds run."""
    for number in range(12):
        user = make_user(credits=10_000)
        charges = [make_charge(user, 3, hold=True).id for _ in range(6)]
        reserves = [make_reserve(user, model).id for _ in range(6)]

        def act(thread: int) -> None:
            if thread == 0:
                for _ in range(number):  # noqa: B023
                    make_charge(user)  # noqa: B023
                make_limit(user, 10_000)  # noqa: B023
                return
            _do_everything(user, model, charges[thread - 1], reserves[thread - 1])  # noqa: B023

        in_parallel(7, act)
        assert_counted(user)
        [state] = limit_states(account_id=user.pk)
        assert state.spent + state.held == spent(user)


def _do_everything(user: User, model: AIModel, held: int, reserved: int) -> None:
    make_charge(user)
    settle_charge(charge_id=held, delivered=2, reason="short")
    refund_charge(charge_id=held, reason="r", idempotency_key=f"refund {held}", amount=1)
    settle_use(charge_id=reserved, tokens=Tokens(900, 0, 0, 800, 0, PROVIDER))
    release_charge(charge_id=make_charge(user, 2, hold=True).id, reason="provider_error")
    make_reserve(user, model)
    make_charge(user, 2, hold=True)


def test_what_was_spent_before_counts(alice: User) -> None:
    make_charge(alice, 4)
    make_charge(alice, 3, hold=True)
    assert not SpendDay.objects.exists(), "Without a limit nothing is counted."
    make_limit(alice, 10)
    [state] = limit_states(account_id=alice.pk)
    assert (state.spent, state.held, state.left) == (4 * PICO, 3 * PICO, 3)


def test_counting_goes_on_without_a_limit(alice: User) -> None:
    make_limit(alice, 5).delete()
    make_charge(alice, 7)
    make_limit(alice, 5)
    with pytest.raises(LimitReached):
        make_charge(alice)
    assert_counted(alice)


def test_a_limit_that_is_moved_to_another_account_begins_there(alice: User, bob: User) -> None:
    make_charge(bob, 4)
    limit = make_limit(alice, 5)
    Limit.objects.filter(pk=limit.pk).update(account_id=bob.pk)
    with pytest.raises(LimitReached):
        make_charge(bob, 2)


@together
def test_backends_killed_between_charge_and_end_leave_the_counters_exact(
    rich: User, model: AIModel, clock: Clock
) -> None:
    make_limit(rich, 90)
    victims: dict[int, int] = {}
    ended = threading.Event()
    killer = in_background(lambda: kill_backends(victims, ended))
    broken = in_parallel(4, lambda number: _spend_under_fire(rich, model, number, victims))
    ended.set()
    assert killer.result() > 0
    assert sum(broken) > 0, "No kill hit a spend; nothing was proved."
    assert 0 < spent(rich) <= 90 * PICO
    assert_counted(rich)
    clock.move(hours=1)
    sweep_holds()
    assert not Hold.objects.exists()
    assert_counted(rich)


def _spend_under_fire(user: User, model: AIModel, number: int, victims: dict[int, int]) -> int:
    """Twenty calls, each to its end or until its connection breaks; how many broke."""
    broken = 0
    for step in range(20):
        try:
            victims[number] = backend_pid()
            _spend_somehow(user, model, number + step, [])
        except (OperationalError, InterfaceError):
            broken += 1
            connection.close()
    del victims[number]
    return broken
