"""`setCredits`: only plan credits, and only of people whom this very sync found at Clerk."""

from datetime import UTC, datetime
from typing import Any

import pytest

from credits.clerk.client import ClerkClient, ClerkError
from credits.clerk.sync import items, users
from credits.clerk.sync.progress import CHANGES_NAMED
from credits.ledger import get_balance
from credits.models import CreditGrant, SyncJob, UsageHistory, User
from tests.clock import Clock
from tests.credits.clerk.conftest import NOW
from tests.credits.clerk.sync.runs import balance, run
from tests.factories import make_charge, make_grant, make_plan
from tests.fakes.clerk import FakeClerk, user_json
from tests.fakes.clerk_events import DAY, MONTH, as_api, item_json

pytestmark = pytest.mark.django_db


@pytest.fixture
def people(base: FakeClerk) -> FakeClerk:
    """Five users, three of them subscribed, and all of it known here."""
    run()
    return base


def user(number: int) -> User:
    return User.objects.get(clerk_id=f"user_{number}")


def set_credits(**options: Any) -> SyncJob:
    """The changes and counts of a dry run, which the run after it repeats."""
    options = {"set_credits": True, "reason": "r", **options}
    planned, done = run(dry_run=True, **options), run(**options)
    assert (planned.counts, planned.changes) == (done.counts, done.changes)
    return done


def test_welcome_credits_gifts_and_packs_stay(people: FakeClerk) -> None:
    make_grant(user(1), 50, source=CreditGrant.Source.SIGNUP)
    make_grant(user(1), 500, source=CreditGrant.Source.ADJUSTMENT)
    make_grant(user(1), 7)
    make_charge(user(1), 30)
    job = set_credits()
    assert balance("user_1") == 100 + 50 + 500 + 7
    assert job.changes == [{"who": "user_1", "before": 70, "after": 100}]
    assert (job.counts["creditsAdded"], job.counts["creditsTaken"]) == (30, 0)


def test_what_is_given_ends_with_the_period(people: FakeClerk, clock: Clock) -> None:
    make_charge(user(1), 30)
    set_credits()
    given = CreditGrant.objects.get(key__startswith="reset:")
    assert given.expires_at == datetime.fromtimestamp((NOW - DAY + MONTH) / 1000, UTC)
    assert given.period is not None
    clock.move(days=30)
    assert balance("user_1") == 0


def test_what_was_given_ends_early_with_the_item(people: FakeClerk) -> None:
    set_credits(override_credits=300)
    people.items[0].update(status="ended", ended_at=NOW - 1000, updated_at=NOW - 1000)
    run()
    assert (balance("user_1"), balance("user_2")) == (0, 300)


def test_who_gains_and_who_loses_is_listed(people: FakeClerk) -> None:
    make_charge(user(1), 90)
    job = set_credits(override_credits=40)
    assert job.changes == [
        {"who": "user_1", "before": 10, "after": 40},
        {"who": "user_2", "before": 100, "after": 40},
        {"who": "user_3", "before": 100, "after": 40},
    ]


def test_the_list_is_bounded_for_each_direction(base: FakeClerk) -> None:
    many = range(1, CHANGES_NAMED + 12)
    base.users = [user_json(f"user_{n}", at=n) for n in many]
    base.items = [as_api(item_json(f"user_{n}", period_start=NOW - DAY)) for n in many]
    run()
    for number in (1, 2, 3):
        make_charge(user(number), 90)
    job = set_credits(override_credits=40, page_size=10)
    gains = [change["after"] > change["before"] for change in job.changes]
    assert (gains.count(True), gains.count(False)) == (3, CHANGES_NAMED)
    assert job.counts["creditsRefreshed"] == len(many)


def test_who_is_no_longer_subscribed_at_clerk_is_left_alone(people: FakeClerk) -> None:
    make_charge(user(1), 50)
    make_charge(user(2), 50)
    del people.items[0]
    job = set_credits(override_credits=1000)
    assert job.failed == 1
    assert "does not list" in job.failures[0]["error"]
    assert (balance("user_1"), balance("user_2")) == (50, 1000)
    assert not UsageHistory.objects.filter(user=user(1), operation_type="ADJUSTMENT").exists()


def test_whose_subscription_could_not_be_read_is_left_alone(
    people: FakeClerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ClerkClient.subscription_items

    def fails(self: ClerkClient, clerk_id: str) -> Any:
        if clerk_id == "user_1":
            raise ClerkError("Clerk answered 500")
        return real(self, clerk_id)

    monkeypatch.setattr(ClerkClient, "subscription_items", fails)
    del people.items[0]
    job = set_credits(override_credits=1000)
    assert job.failed
    assert (balance("user_1"), balance("user_2")) == (100, 1000)


@pytest.mark.parametrize(("module", "name"), [(items, "_apply"), (users, "_sync_user")])
def test_whose_row_failed_is_left_alone(
    people: FakeClerk, monkeypatch: pytest.MonkeyPatch, module: Any, name: str
) -> None:
    people.users[0] = user_json("user_1", email="new@example.com", at=NOW)
    people.items[0].update(updated_at=NOW)
    real = getattr(module, name)

    def fails(progress: Any, row: Any, *rest: Any) -> None:
        payer = getattr(row, "payer", None)
        if "user_1" in (getattr(row, "clerk_id", ""), getattr(payer, "id", "")):
            raise RuntimeError("a bad row")
        real(progress, row, *rest)

    monkeypatch.setattr(module, name, fails)
    if module is users:  # Who is not in the list is asked for by id, and that fails as well.
        monkeypatch.setattr(users, "upsert_person", lambda person: fails(None, person))
    job = set_credits(override_credits=1000)
    assert job.failed
    assert (balance("user_1"), balance("user_2")) == (100, 1000)


def test_who_was_not_read_is_left_alone(people: FakeClerk) -> None:
    job = set_credits(override_credits=1000, page_size=1, max_pages=1)
    assert job.counts["creditsRefreshed"] <= 1
    assert sum(balance(f"user_{n}") == 1000 for n in (1, 2, 3)) <= 1


def test_subscriptions_are_read_for_it_though_they_are_not_asked_for(people: FakeClerk) -> None:
    del people.items[0]
    job = set_credits(override_credits=1000, sync_plans=False)
    assert job.failed == 1
    assert (balance("user_1"), balance("user_2")) == (100, 1000)


def test_a_period_that_is_over_is_reported(base: FakeClerk) -> None:
    base.items[0].update(period_start=NOW - 2 * MONTH, period_end=NOW - MONTH)
    job = set_credits(override_credits=1000)
    assert [failure["who"] for failure in job.failures] == ["user_1"]
    assert "period" in job.failures[0]["error"]


def test_the_free_plan_is_set_until_the_end_of_the_month(base: FakeClerk) -> None:
    make_plan("cplan_free", credits=10)
    free = item_json("user_4", "cplan_free", period_start=NOW - DAY, period_end=None)
    base.items.append(as_api({**free, "updated_at": NOW}))
    run()
    make_charge(user(4), 6)
    set_credits()
    assert balance("user_4") == 10
    ends = CreditGrant.objects.filter(user=user(4)).values_list("expires_at", flat=True)
    assert len(set(ends)) == 1


def test_months_of_an_annual_plan_are_set_until_the_month_s_end(
    base: FakeClerk, clock: Clock
) -> None:
    start = NOW - 40 * DAY
    base.items[0].update(
        plan_period="annual", period_start=start, period_end=start + 365 * DAY, updated_at=start
    )
    run()
    make_charge(user(1), 60)
    set_credits(override_credits=300)
    assert balance("user_1") == 300
    clock.move(days=31)
    assert get_balance(user_id=user(1).pk).remaining == 100
