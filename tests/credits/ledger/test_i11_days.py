"""I11: periods are days of the calendar in UTC, and a call belongs to the day of its charge."""

from datetime import UTC, date, datetime

import pytest

from credits.amounts import PICO
from credits.exceptions import CreditsBusy, LimitReached
from credits.ledger import (
    refund_charge,
    settle_charge,
    sweep_holds,
)
from credits.limit_states import limit_states
from credits.models import SpendDay, Use, User
from credits.uses import Tokens, settle_use
from tests.clock import Clock
from tests.credits.ledger.counting import (
    assert_counted,
)
from tests.factories import (
    make_charge,
    make_limit,
    make_model,
    make_reserve,
    make_token_price,
)
from tests.ledger import sql

pytestmark = pytest.mark.django_db
together = pytest.mark.django_db(transaction=True)
PROVIDER = Use.Source.PROVIDER
REFUSED = (LimitReached, CreditsBusy)


@pytest.mark.parametrize(
    ("period", "at", "then", "is_new"),
    [
        ("day", "2030-06-10 23:59:59", "2030-06-11 00:00:00", True),
        ("day", "2030-06-10 00:00:00", "2030-06-10 23:59:59", False),
        ("week", "2030-06-09 23:59:59", "2030-06-10 00:00:00", True),  # A Monday.
        ("week", "2030-06-10 00:00:00", "2030-06-16 23:59:59", False),
        ("week", "2030-12-31 12:00:00", "2031-01-05 23:00:00", False),
        ("week", "2030-12-31 12:00:00", "2031-01-06 00:00:00", True),
        ("month", "2030-01-31 23:59:59", "2030-02-01 00:00:00", True),
        ("month", "2030-02-28 23:59:59", "2030-03-01 00:00:00", True),
        ("month", "2032-02-28 23:59:59", "2032-02-29 23:59:59", False),
        ("month", "2032-02-29 23:59:59", "2032-03-01 00:00:00", True),
        ("month", "2030-12-31 23:59:59", "2031-01-01 00:00:00", True),
        ("day", "2032-02-28 23:59:59", "2032-02-29 00:00:00", True),
        ("ever", "2030-12-31 23:59:59", "2039-01-01 00:00:00", False),
    ],
)
def test_a_period_ends_at_midnight_utc(
    alice: User, clock: Clock, period: str, at: str, then: str, is_new: bool
) -> None:
    start, end = (datetime.fromisoformat(f"{each}+00:00") for each in (at, then))
    clock.freeze(start)
    make_limit(alice, 5, period, since=date(2029, 1, 1))
    make_charge(alice, 5)
    [state] = limit_states(account_id=alice.pk)
    if is_new:
        assert state.resets_at == end.replace(second=0)
    elif state.resets_at:
        assert state.resets_at > end
    clock.move(seconds=(end - start).total_seconds())
    if is_new:
        make_charge(alice, 5)
    with pytest.raises(LimitReached):
        make_charge(alice)
    assert_counted(alice)


def test_a_session_in_another_zone_counts_the_same_days(alice: User, clock: Clock) -> None:
    clock.freeze(datetime(2030, 6, 10, 23, 30, tzinfo=UTC))
    sql("SET LOCAL timezone = 'Pacific/Kiritimati'")  # 14 hours ahead: the next day there.
    make_limit(alice, 5, since=date(2030, 6, 10))
    make_charge(alice, 5)
    assert SpendDay.objects.get().day == date(2030, 6, 10)
    with pytest.raises(LimitReached):
        make_charge(alice)
    clock.move(hours=1)
    make_charge(alice, 5)


def test_a_limit_counts_from_its_first_day(alice: User, clock: Clock) -> None:
    clock.freeze(datetime(2030, 6, 10, 12, tzinfo=UTC))
    make_charge(alice, 5)
    clock.move(days=1)
    make_limit(alice, 5, "ever", since=date(2030, 6, 11))
    make_charge(alice, 5)
    with pytest.raises(LimitReached):
        make_charge(alice)


@pytest.mark.parametrize("by_tokens", [False, True])
def test_what_ends_after_midnight_counts_in_the_day_of_its_charge(
    alice: User, clock: Clock, by_tokens: bool
) -> None:
    clock.freeze(datetime(2030, 6, 10, 23, 59, 58, tzinfo=UTC))
    model = make_model()
    make_token_price(model, input=10**9, cached=0, cache_write=0, output=10**9, reasoning=0)
    make_limit(alice, 4)
    held = (make_reserve(alice, model) if by_tokens else make_charge(alice, 2, hold=True)).id
    clock.move(seconds=4)
    [state] = limit_states(account_id=alice.pk)
    assert (state.spent, state.held) == (0, 0)
    if by_tokens:
        settle_use(charge_id=held, tokens=Tokens(1000, 0, 0, 1000, 0, PROVIDER))
    else:
        settle_charge(charge_id=held)
    make_charge(alice, 4)
    days = SpendDay.objects.order_by("day").values_list("day__day", "spent", "held")
    assert [(day, int(spent) // PICO, int(held)) for day, spent, held in days] == [
        (10, 2, 0), (11, 4, 0),
    ]  # fmt: skip
    refund_charge(charge_id=held, reason="r", idempotency_key="k", amount=1)
    old = SpendDay.objects.get(day=date(2030, 6, 10))
    assert int(old.spent) == (2 if by_tokens else 1) * PICO, "Of tokens the use counts."
    assert_counted(alice)


def test_a_lease_that_runs_out_makes_room(alice: User, clock: Clock) -> None:
    make_limit(alice, 5)
    make_charge(alice, 5, hold=True, lease_seconds=60)
    with pytest.raises(CreditsBusy):
        make_charge(alice)
    clock.move(seconds=61)
    make_charge(alice, 5)
    sweep_holds()
    assert_counted(alice)
