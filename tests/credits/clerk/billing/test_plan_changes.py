"""A plan that changes within one subscription item: the old plan's credits end when the new plan's
come, in whatever order the versions are delivered."""

from itertools import islice, permutations

import pytest

from credits.models import CreditGrant, Plan, SubscriptionItem, User
from tests.credits.clerk.billing.items import NOW, START, balance
from tests.credits.clerk.conftest import Send
from tests.credits.clerk.histories import Delivery, final_state, receive_all, rolled_back
from tests.factories import make_charge, make_plan
from tests.fakes.clerk import Json
from tests.fakes.clerk_events import DAY, MONTH, event, item_json, plan_json

pytestmark = pytest.mark.django_db


def changed(item: Json, plan_id: str, **fields: object) -> Json:
    """The item with another plan, since this moment unless `updated_at` says otherwise."""
    return {**item, "plan_id": plan_id, "plan": plan_json(plan_id), "updated_at": NOW, **fields}


@pytest.fixture
def top(pro: Plan) -> Plan:
    return make_plan("cplan_max", credits=500)


@pytest.mark.parametrize(
    "period",
    [
        {},
        {"period_start": NOW - 60_000, "period_end": NOW + MONTH},
        {"is_free_trial": True},
        {"interval": "annual", "period_end": START + 12 * MONTH},
    ],
    ids=["same period", "new period", "to a trial", "to an annual plan"],
)
def test_an_upgrade_in_place_leaves_only_the_new_plan_s_credits(
    send: Send, top: Plan, period: dict[str, object]
) -> None:
    item = item_json("user_1", period_start=START)
    send("subscriptionItem.active", item)
    make_charge(User.objects.get(), 30)
    send("subscriptionItem.updated", changed(item, "cplan_max", **period))
    assert balance() == 500


def test_a_downgrade_in_place_leaves_only_the_new_plan_s_credits(send: Send, top: Plan) -> None:
    item = item_json("user_1", "cplan_max", period_start=START)
    send("subscriptionItem.active", item)
    send("subscriptionItem.updated", changed(item, "cplan_pro"))
    assert balance() == 100


def test_a_trial_that_becomes_paid_within_its_period_leaves_the_paid_credits(
    send: Send, pro: Plan
) -> None:
    trial = item_json("user_1", period_start=START, is_free_trial=True)
    send("subscriptionItem.active", trial)
    send("subscriptionItem.updated", {**trial, "is_free_trial": False, "updated_at": NOW})
    assert balance() == 100


def test_a_plan_that_is_to_change_later_takes_nothing_yet(send: Send, top: Plan) -> None:
    item = item_json("user_1", period_start=START)
    send("subscriptionItem.active", item)
    send("subscriptionItem.updated", changed(item, "cplan_max", status="upcoming"))
    assert balance() == 100


def test_months_of_an_annual_plan_end_with_its_change(send: Send, top: Plan) -> None:
    start = NOW - 45 * DAY
    item = item_json("user_1", period_start=start, interval="annual", period_end=NOW + 300 * DAY)
    send("subscriptionItem.active", item)
    assert balance() == 100
    send("subscriptionItem.updated", changed(item, "cplan_max", interval="month"))
    assert balance() == 500
    assert not CreditGrant.objects.filter(remaining__gt=0, amount=100).exists()


def versions() -> list[Delivery]:
    """Bought, seen again, upgraded in the same period, renewed, downgraded with a new period."""
    first = item_json("user_1", period_start=START - MONTH, updated_at=START - MONTH)
    seen = {**first, "updated_at": START - MONTH + DAY}
    upgraded = changed(first, "cplan_max", updated_at=START - 2 * DAY)
    moved = {"period_start": START, "period_end": START + MONTH}
    renewed = {**upgraded, **moved, "updated_at": START}
    lowered = changed(renewed, "cplan_pro", period_start=NOW - DAY // 2, updated_at=NOW)
    items = [first, seen, upgraded, renewed, lowered]
    return [
        (f"msg_{number}", event("subscriptionItem.updated", item, at=item["updated_at"]))
        for number, item in enumerate(items)
    ]


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_every_order_of_the_versions_ends_the_same(top: Plan, step: int) -> None:
    deliveries = versions()
    with rolled_back():
        receive_all(deliveries)
        expected = final_state()
    assert expected["balance"] == 100
    for order in islice(permutations(deliveries), 0, None, step):
        with rolled_back():
            receive_all(order)
            assert final_state() == expected, [name for name, _ in order]


@pytest.mark.parametrize(
    ("plan", "is_free"),
    [
        ({"amount": 0}, True),
        ({"amount": {"amount": 0, "currency": "USD", "amount_formatted": "$0.00"}}, True),
        ({"amount": {}}, True),
        ({"amount": None, "fee": {"amount": 0}}, True),
        ({"amount": "0"}, True),
        ({"fee": 0}, True),
        ({"fee": None}, True),
        ({"amount": {"amount": 2000}}, False),
        ({"amount": None, "fee": {"amount": 2000}}, False),
        ({"amount": "2000"}, False),
        ({"amount": ["what"]}, False),
    ],
)
def test_a_plan_is_free_by_its_amount_however_it_is_written(
    send: Send, plan: Json, is_free: bool
) -> None:
    make_plan("cplan_free", credits=10)
    free = {"id": "cplan_free", "name": "Free", **plan}
    item = item_json("user_1", "cplan_free", period_start=START, period_end=None, plan=free)
    send("subscriptionItem.active", item)
    assert SubscriptionItem.objects.get().is_free is is_free
    assert CreditGrant.objects.get().key.startswith("free:" if is_free else "clerk:")
