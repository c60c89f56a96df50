"""Credits that are released a month at a time: of annual plans and of the free plan."""

from datetime import UTC, datetime

import pytest

from credits.clerk.billing.projection import add_months
from credits.clerk.billing.releases import release_due
from credits.ledger import expire_credits
from credits.models import Plan
from tests.clock import Clock
from tests.credits.clerk.billing.items import NOW, START, balance, grants, key
from tests.credits.clerk.conftest import Send
from tests.factories import make_plan
from tests.fakes.clerk_events import DAY, item_json, plan_json

pytestmark = pytest.mark.django_db


def test_an_annual_plan_releases_a_month_at_a_time(send: Send, pro: Plan, clock: Clock) -> None:
    item = item_json(
        "user_1", period_start=START, period_end=add_months(START, 12), interval="annual"
    )
    send("subscriptionItem.active", item)
    assert grants() == [(key() + ":m0", 100)]
    for month in range(1, 14):
        clock.move(days=31)
        release_due()
        expire_credits()
        assert balance() <= 100, f"month {month}"
    assert [k for k, _ in grants()] == [f"{key()}:m{month}" for month in range(12)]
    assert balance() == 0


def test_an_annual_plan_that_ends_early_releases_no_more(
    send: Send, pro: Plan, clock: Clock
) -> None:
    item = item_json(
        "user_1", period_start=START, period_end=add_months(START, 12), interval="annual"
    )
    send("subscriptionItem.active", item)
    send("subscriptionItem.ended", {**item, "status": "ended", "updated_at": NOW})
    clock.move(days=40)
    release_due()
    assert len(grants()) == 1
    assert balance() == 0


def test_an_annual_plan_heard_of_late_has_only_this_month_to_spend(send: Send, pro: Plan) -> None:
    start = START - 100 * DAY
    item = item_json(
        "user_1", period_start=start, period_end=add_months(start, 12), interval="annual"
    )
    send("subscriptionItem.active", item)
    assert len(grants()) == 4
    assert balance() == 100


def test_months_keep_the_day_where_they_can() -> None:
    january = int(datetime(2027, 1, 31, 12, tzinfo=UTC).timestamp() * 1000)
    days = [
        datetime.fromtimestamp(add_months(january, month) / 1000, UTC).strftime("%m-%d")
        for month in range(4)
    ]
    assert days == ["01-31", "02-28", "03-31", "04-30"]


def test_the_free_plan_grants_once_a_month_by_our_clock(send: Send, clock: Clock) -> None:
    make_plan("cplan_free", credits=10)
    clock.freeze(datetime(2026, 11, 20, 12, tzinfo=UTC))
    start = int(datetime(2026, 11, 3, tzinfo=UTC).timestamp() * 1000)
    item = item_json("user_1", "cplan_free", period_start=start, period_end=None)
    send("subscription.created", {"payer": item["payer"], "items": [item]})
    send("subscriptionItem.active", {**item, "updated_at": start + 1})
    release_due()
    assert grants() == [("free:user_1:2026-11", 10)]
    clock.freeze(datetime(2026, 12, 1, 0, 0, 1, tzinfo=UTC))
    release_due()
    release_due()
    assert grants() == [("free:user_1:2026-11", 10), ("free:user_1:2026-12", 10)]
    assert balance() == 10


def test_an_older_free_item_that_ended_does_not_hide_the_present_one(
    send: Send, clock: Clock
) -> None:
    make_plan("cplan_free", credits=10)
    clock.freeze(datetime(2026, 11, 20, 12, tzinfo=UTC))
    start = int(datetime(2026, 9, 3, tzinfo=UTC).timestamp() * 1000)
    held = item_json("user_1", "cplan_free", period_start=start + DAY, period_end=None)
    old = item_json("user_1", "cplan_free", period_start=start, period_end=None, status="ended")
    send("subscriptionItem.active", held)
    send("subscriptionItem.ended", {**old, "updated_at": start + DAY})
    assert grants() == []
    assert release_due() == 1
    assert grants() == [("free:user_1:2026-11", 10)]


def test_a_free_plan_that_ended_this_month_was_held_in_it(send: Send, clock: Clock) -> None:
    clock.freeze(datetime(2026, 11, 20, 12, tzinfo=UTC))
    start = int(datetime(2026, 9, 3, tzinfo=UTC).timestamp() * 1000)
    item = item_json("user_1", "cplan_free", period_start=start, period_end=None)
    ended = int(datetime(2026, 11, 2, tzinfo=UTC).timestamp() * 1000)
    send("subscriptionItem.ended", {**item, "status": "ended", "updated_at": ended})
    Plan.objects.create(clerk_id="cplan_free", name="Free", credits=10)
    assert release_due() == 1
    assert grants() == [("free:user_1:2026-11", 10)]
    assert release_due() == 0


@pytest.mark.parametrize("first", ["active", "ended"])
def test_a_plan_given_for_nothing_is_no_free_plan_when_it_ends(
    send: Send, pro: Plan, first: str
) -> None:
    # Its end names no end of the period, as Clerk's example has it: by itself it looks like a free
    # plan's, which was held this month.
    item = item_json(
        "user_1", period_start=NOW - 60_000, plan={**plan_json("cplan_pro"), "amount": 0}
    )
    ended = {**item, "status": "ended", "period_end": None, "updated_at": NOW}
    data = {"active": item, "ended": ended}
    for kind in sorted(data, key=lambda kind: kind != first):
        send(f"subscriptionItem.{kind}", data[kind])
    assert release_due() == 0
    assert grants() == [(key(start=NOW - 60_000), 100)]
    assert balance() == 0
