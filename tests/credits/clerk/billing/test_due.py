"""Credits that have come due by our clock are there on the next read or spend."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from credits.clerk.billing import releases
from credits.clerk.billing.projection import add_months, end_of_month, milliseconds, moment
from credits.exceptions import InsufficientCredits
from credits.ledger import credits_due, get_balance
from credits.models import CreditBalance, CreditGrant, Plan, SubscriptionItem, User
from tests.clock import Clock
from tests.credits.clerk.billing.items import NOW, START, balance
from tests.credits.clerk.conftest import Send
from tests.factories import make_charge, make_grant, make_plan
from tests.fakes.clerk_events import DAY, item_json
from tests.parallel import in_parallel

pytestmark = pytest.mark.django_db
JUST_AFTER = timedelta(seconds=30)


@pytest.fixture
def free_user(send: Send) -> User:
    """With the free plan, whose credits of this month are spent."""
    make_plan("cplan_free", credits=10)
    free = item_json("user_1", "cplan_free", period_start=START, period_end=None)
    send("subscriptionItem.active", {**free, "updated_at": NOW})
    user = User.objects.get()
    make_charge(user, 10)
    return user


def next_month() -> datetime:
    return end_of_month(datetime.now(UTC)) + JUST_AFTER


def test_a_new_month_of_the_free_plan_can_be_spent_at_once(free_user: User, clock: Clock) -> None:
    with pytest.raises(InsufficientCredits):
        make_charge(free_user)
    clock.freeze(next_month())
    assert make_charge(free_user).balance == 9
    assert balance() == 9


def test_it_is_read_at_once(free_user: User, clock: Clock) -> None:
    clock.freeze(next_month())
    assert balance() == 10
    clock.freeze(end_of_month(next_month()) + JUST_AFTER)
    assert balance() == 10
    assert CreditGrant.objects.count() == 3


def test_the_poll_of_the_meter_sees_it(free_user: User, client: Client, clock: Clock) -> None:
    client.force_login(free_user, backend="credits.users.sessions.AccountBackend")
    page = client.get("/usage").text
    version = page.split('name="v" value="')[1].split('"')[0]
    assert client.get("/credits/balance", {"v": version}).status_code == 204
    clock.freeze(next_month())
    answer = client.get("/credits/balance", {"v": version})
    assert (answer.status_code, 'data-remaining="10"' in answer.text) == (200, True)


def test_a_month_of_an_annual_plan_comes_at_once(send: Send, pro: Plan, clock: Clock) -> None:
    item = item_json("user_1", period_start=START, interval="annual", period_end=START + 365 * DAY)
    send("subscriptionItem.active", item)
    make_charge(User.objects.get(), 100)
    clock.freeze(moment(add_months(START, 1)) + JUST_AFTER)
    assert make_charge(User.objects.get()).balance == 99
    clock.freeze(moment(add_months(START, 2)) + JUST_AFTER)
    assert balance() == 100


def test_a_period_ahead_of_our_clock_comes_at_once(send: Send, pro: Plan, clock: Clock) -> None:
    send("subscriptionItem.active", item_json("user_1", period_start=NOW + DAY))
    assert balance() == 0
    clock.move(days=1)
    assert balance() == 100


def test_due_credits_are_spent_before_those_that_were_bought(free_user: User, clock: Clock) -> None:
    make_grant(free_user, 5)
    clock.freeze(next_month())
    make_charge(free_user)
    assert CreditGrant.objects.get(source="pack").remaining == 5


@pytest.mark.parametrize("what", ["ended", "unmapped", "deleted"])
def test_nothing_comes_of_what_is_over(
    free_user: User, send: Send, clock: Clock, what: str
) -> None:
    if what == "ended":
        item = SubscriptionItem.objects.get()
        free = item_json("user_1", "cplan_free", period_start=START, period_end=None)
        send("subscriptionItem.ended", {**free, "id": item.item_id, "status": "ended",
                                        "updated_at": NOW + 1})  # fmt: skip
    elif what == "unmapped":
        Plan.objects.update(active=False)
    else:
        send("user.deleted", {"id": "user_1", "deleted": True})
    clock.freeze(next_month())
    assert get_balance(user_id=free_user.pk).remaining == 0
    assert CreditBalance.objects.get().due_at is None


def test_it_costs_nobody_who_has_nothing_due(
    free_user: User, django_assert_num_queries: Any
) -> None:
    make_grant(free_user, 5)
    with django_assert_num_queries(1):
        get_balance(user_id=free_user.pk)
    with django_assert_num_queries(1):
        make_charge(free_user)


def test_a_failure_keeps_nobody_from_other_credits(
    free_user: User, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_grant(free_user, 5)

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("the catalogue is away")

    with monkeypatch.context() as broken:
        broken.setattr(releases, "release", fails)
        clock.freeze(next_month())
        assert make_charge(free_user).balance == 4
        assert not get_balance(user_id=free_user.pk).due
    clock.move(minutes=1)
    assert get_balance(user_id=free_user.pk).remaining == 14


@pytest.mark.django_db(transaction=True)
def test_reads_and_spends_at_the_same_time_grant_once(free_user: User, clock: Clock) -> None:
    clock.freeze(next_month())

    def act(number: int) -> None:
        if number % 2:
            make_charge(free_user)
        else:
            get_balance(user_id=free_user.pk)

    in_parallel(12, act)
    assert balance() == 4
    assert CreditGrant.objects.count() == 2


def test_a_repeated_signal_changes_nothing(free_user: User, clock: Clock) -> None:
    clock.freeze(next_month())
    for _ in range(3):
        credits_due.send(sender=CreditBalance, user_id=free_user.pk)
    assert CreditGrant.objects.count() == 2
    assert CreditBalance.objects.get().due_at == end_of_month(next_month())
    assert milliseconds(next_month()) > NOW
