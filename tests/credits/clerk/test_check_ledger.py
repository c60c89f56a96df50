"""Clerk's part of `check_ledger` finds what it is for."""

import time
from datetime import timedelta
from typing import Any

import pytest

from credits.clerk.billing.projection import add_months
from credits.integrity.clerk import CHECKS
from credits.integrity.run import check_and_keep, run_checks
from credits.ledger import expire_credits
from credits.models import CreditGrant, Period, Plan, SubscriptionItem
from tests.clock import Clock
from tests.credits.clerk.conftest import Deliver
from tests.factories import make_plan, make_user
from tests.fakes.clerk_events import DAY, event, item_json

pytestmark = pytest.mark.django_db
NOW = int(time.time() * 1000)
NAMES = {check.name for check in CHECKS}


@pytest.fixture
def grant(deliver: Deliver) -> CreditGrant:
    make_plan("cplan_pro", credits=100)
    deliver(event("subscriptionItem.active", item_json("user_1", period_start=NOW), at=NOW))
    return CreditGrant.objects.get()


@pytest.fixture(autouse=True)
def clean_run(db: None) -> None:
    """What a test does changes something since."""
    check_and_keep()


def found() -> set[str]:
    """The same in the whole ledger and in what changed."""
    whole, changed = (
        {
            r.check.name
            for r in run_checks(grace=timedelta(days=999), changed=changed)
            if not r.ok and r.check.name in NAMES
        }
        for changed in (False, True)
    )
    assert whole == changed
    return whole


def test_the_checks_run_with_the_ledger_s(grant: CreditGrant) -> None:
    assert {r.check.name for r in run_checks()} >= NAMES
    assert found() == set()


def test_a_grant_without_its_period_is_found(grant: CreditGrant) -> None:
    Period.objects.update(earned=False, settled=False)
    assert found() == {"plan_grant_has_its_period"}
    Period.objects.update(earned=True)


def test_a_settled_period_without_its_grant_is_found(grant: CreditGrant) -> None:
    period = grant.period
    other = Period.objects.create(item=period.item, plan_id=period.plan_id, start=NOW - 1)
    CreditGrant.objects.update(period=other)
    assert found() == {"plan_grant_has_its_period", "settled_period_has_its_grant"}
    CreditGrant.objects.update(period=period)


def test_a_grant_that_outlasts_its_period_is_found(grant: CreditGrant) -> None:
    before = grant.expires_at
    CreditGrant.objects.update(expires_at=before + timedelta(days=1))
    assert found() == {"plan_grant_ends_with_its_item"}
    CreditGrant.objects.update(expires_at=before)


def test_a_month_of_an_annual_plan_that_outlasts_its_item_is_found(deliver: Deliver) -> None:
    make_plan("cplan_pro", credits=100)
    start = NOW - 40 * DAY
    item = item_json(
        "user_1", period_start=start, period_end=add_months(start, 12), interval="annual"
    )
    deliver(event("subscriptionItem.active", item, at=NOW))
    assert found() == set()
    SubscriptionItem.objects.update(ends=[NOW])
    assert found() == {"plan_grant_ends_with_its_item"}
    SubscriptionItem.objects.update(ends=[])


def test_a_free_grant_of_nobody_s_item_is_found(deliver: Deliver) -> None:
    make_plan("cplan_free", credits=10)
    item = item_json("user_1", "cplan_free", period_start=NOW, period_end=None)
    deliver(event("subscriptionItem.active", item, at=NOW))
    assert CreditGrant.objects.get().key.startswith("free:user_1:")
    assert found() == set()
    SubscriptionItem.objects.update(payer_id="user_2")
    assert found() == {"free_grant_has_its_item"}
    SubscriptionItem.objects.update(payer_id="user_1")


def test_a_grant_of_the_wrong_user_is_found(grant: CreditGrant) -> None:
    identity = grant.user.clerk_identity
    other = make_user()
    type(identity).objects.update(user=other)
    assert found() == {"plan_grant_has_its_period"}
    type(identity).objects.update(user=grant.user)


@pytest.fixture
def year(deliver: Deliver) -> list[CreditGrant]:
    """The four months so far of an annual plan, begun on a day that some months do not have."""
    make_plan("cplan_pro", credits=100)
    start = add_months(NOW, -3) - DAY
    item = item_json(
        "user_1", period_start=start, period_end=add_months(start, 12), interval="annual"
    )
    deliver(event("subscriptionItem.active", item, at=NOW))
    grants = list(CreditGrant.objects.order_by("pk"))
    assert [grant.key.rpartition(":")[2] for grant in grants] == ["m0", "m1", "m2", "m3"]
    return grants


@pytest.mark.parametrize("month", range(4))
def test_a_missing_month_of_an_annual_plan_is_found(month: int, year: list[CreditGrant]) -> None:
    assert found() == set()
    grant, period = year[month], year[month].period
    CreditGrant.objects.filter(pk=grant.pk).update(period=None)
    assert "annual_period_has_its_months" in found()
    CreditGrant.objects.filter(pk=grant.pk).update(period=period)


def test_months_after_an_annual_plan_ended_are_not_missed(
    year: list[CreditGrant], clock: Clock
) -> None:
    SubscriptionItem.objects.update(ends=[NOW])
    clock.move(days=70)
    expire_credits()
    assert "annual_period_has_its_months" not in {r.check.name for r in run_checks() if not r.ok}


@pytest.mark.parametrize(
    ("change", "missed"),
    [({}, True), ({"active": False}, False), ({"credits": 0}, False)],
)
def test_a_month_that_nobody_released_is_found_while_its_plan_brings_credits(
    change: dict[str, Any], missed: bool, year: list[CreditGrant], clock: Clock
) -> None:
    Plan.objects.update(**change)
    clock.move(days=40)
    expire_credits()
    broken = {r.check.name for r in run_checks() if not r.ok}
    assert ("annual_period_has_its_months" in broken) is missed
