"""Syncing with Clerk: the figures, the repeats, the losses."""

from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from credits import ledger
from credits.clerk import identity
from credits.clerk.billing import subscriptions
from credits.clerk.parsing import Person
from credits.clerk.sync import run as sync
from credits.clerk.sync import users
from credits.clerk.sync.run import result_of
from credits.models import CreditBalance, CreditGrant, Plan, SubscriptionItem, UsageHistory, User
from tests.credits.clerk.conftest import Deliver
from tests.credits.clerk.histories import final_state, receive_all, rolled_back
from tests.credits.clerk.sync.runs import NOW, balance, run
from tests.factories import make_charge, make_grant, make_plan
from tests.fakes import clerk as fake_clerk
from tests.fakes.clerk import FakeClerk, user_json
from tests.fakes.clerk_events import DAY, as_api, event, full_history, item_json

pytestmark = pytest.mark.django_db


def test_a_sync_brings_people_and_what_they_earned(base: FakeClerk) -> None:
    job = run(page_size=2)
    assert job.state == "done"
    assert result_of(job) == {
        "processed": 5,
        "createdUsers": 5,
        "updatedUsers": 0,
        "deletedUsers": 0,
        "createdBalances": 5,
        "activeSubscriptions": 3,
        "creditsRefreshed": 0,
        "creditsGranted": 300,
        "creditsAdded": 0,
        "creditsTaken": 0,
        "drift": 3,
        "failed": 0,
    }
    assert User.objects.get(clerk_id="user_4").email == "u4@example.com"
    assert [balance(f"user_{n}") for n in range(1, 6)] == [100, 100, 100, 0, 0]
    assert CreditBalance.objects.count() == 5


def test_running_it_twice_changes_nothing(base: FakeClerk) -> None:
    run()
    before = list(UsageHistory.objects.values_list("pk", flat=True))
    again = result_of(run())
    assert list(UsageHistory.objects.values_list("pk", flat=True)) == before
    assert {name: again[name] for name in ("createdUsers", "updatedUsers", "createdBalances")} == {
        "createdUsers": 0,
        "updatedUsers": 0,
        "createdBalances": 0,
    }
    assert (again["drift"], again["activeSubscriptions"]) == (0, 3)


def test_people_only(base: FakeClerk) -> None:
    job = run(sync_plans=False)
    assert User.objects.count() == 5
    assert not CreditGrant.objects.exists()
    assert job.counts["processed"] == 5


def test_plans_only(base: FakeClerk) -> None:
    job = run(sync_users=False)
    assert set(User.objects.values_list("clerk_id", flat=True)) == {"user_1", "user_2", "user_3"}
    assert job.counts["processed"] == 3


def test_changed_people_are_updated(base: FakeClerk) -> None:
    run()
    base.users[0] = user_json("user_1", email="new@example.com", at=NOW)
    assert run().counts["updatedUsers"] == 1
    assert User.objects.get(clerk_id="user_1").email == "new@example.com"


def test_set_credits_fills_up_to_the_plan_and_writes_why(base: FakeClerk) -> None:
    run()
    make_charge(User.objects.get(clerk_id="user_1"), 60)
    job = run(set_credits=True, reason="a gift")
    assert job.counts["creditsRefreshed"] == 1
    assert balance("user_1") == 100
    row = UsageHistory.objects.get(operation_type="ADJUSTMENT")
    assert (row.credits_used, row.details["actor"], row.details["reason"]) == (
        -60,
        "test",
        "a gift",
    )
    assert run(set_credits=True).counts["creditsRefreshed"] == 0


def test_an_override_never_takes_a_pack(base: FakeClerk) -> None:
    run()
    make_grant(User.objects.get(clerk_id="user_1"), 70)
    run(set_credits=True, override_credits=30)
    assert [balance(f"user_{n}") for n in (1, 2, 4)] == [100, 30, 0]
    pack = CreditGrant.objects.get(source="pack")
    assert pack.remaining == 70


def test_an_override_of_nothing_leaves_the_packs(base: FakeClerk) -> None:
    run()
    make_grant(User.objects.get(clerk_id="user_2"), 5)
    run(set_credits=True, override_credits=0)
    assert (balance("user_1"), balance("user_2")) == (0, 5)


def test_a_dry_run_counts_and_keeps_nothing(base: FakeClerk) -> None:
    job = run(dry_run=True, set_credits=True)
    assert (job.counts["createdUsers"], job.counts["drift"]) == (5, 3)
    assert not User.objects.filter(clerk_id__isnull=False).exists()
    assert not CreditGrant.objects.exists()


def test_one_bad_row_is_named_and_stops_nobody(
    base: FakeClerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = identity.upsert_person

    def upsert(person: Person) -> Any:
        if person.clerk_id == "user_2":
            raise RuntimeError("a bad row")
        return real(person)

    monkeypatch.setattr(users, "upsert_person", upsert)
    job = run(sync_plans=False)
    assert (job.state, job.failed) == ("done", 1)
    assert job.failures == [{"who": "user_2", "error": "RuntimeError: a bad row"}]
    assert User.objects.count() == 4


def test_an_item_without_a_payer_is_known_by_its_id(base: FakeClerk) -> None:
    run()
    renewed = {"period_start": NOW, "period_end": NOW + DAY, "updated_at": NOW, "payer": None}
    base.items[0].update(renewed)
    job = run()
    assert (job.failed, job.counts["drift"]) == (0, 1)
    assert CreditGrant.objects.filter(user__clerk_id="user_1").count() == 2


def test_a_person_costs_few_statements(
    base: FakeClerk, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    # 10,000 people within minutes: each new one with a new subscription takes two transactions,
    # and is looked at again in each, because another sync may have brought them meanwhile.
    everybody, statements, a_page = 50, 23, 60
    base.users = [user_json(f"user_{n}", at=n) for n in range(1, everybody + 1)]
    base.items = [
        as_api(item_json(f"user_{n}", period_start=NOW - DAY)) for n in range(1, everybody + 1)
    ]
    with django_assert_max_num_queries(everybody * statements + a_page):
        assert run().counts["drift"] == everybody
    with django_assert_max_num_queries(a_page):
        run()


def test_an_item_without_an_id_is_a_failure(base: FakeClerk) -> None:
    base.items[0]["id"] = None
    job = run()
    assert (job.failed, job.counts["drift"]) == (1, 2)


def test_without_an_instance_id_items_say_whose_they_are(
    base: FakeClerk, settings: Settings
) -> None:
    settings.CLERK_INSTANCE_ID = ""
    base.items[0]["instance_id"] = None
    job = run()
    assert (job.failed, job.counts["creditsGranted"]) == (1, 200)
    assert "CLERK_INSTANCE_ID" in job.failures[0]["error"]
    settings.CLERK_INSTANCE_ID = fake_clerk.INSTANCE
    assert run().counts["creditsGranted"] == 100
    assert CreditGrant.objects.filter(key__startswith=f"clerk:{fake_clerk.INSTANCE}:").count() == 3


def test_a_release_that_fails_is_named_and_stops_nobody(
    base: FakeClerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    Plan.objects.update(active=False)
    run()
    Plan.objects.update(active=True)
    real = ledger.grant_credits

    def fails_once(**given: Any) -> Any:
        if given["user_id"] == User.objects.get(clerk_id="user_1").pk:
            raise RuntimeError("a bad grant")
        return real(**given)

    monkeypatch.setattr(subscriptions, "grant_credits", fails_once)
    job = run()
    assert (job.state, job.failed) == ("done", 1)
    assert [balance(f"user_{n}") for n in (1, 2, 3)] == [0, 100, 100]


def test_unknown_values_are_taken_as_they_are(base: FakeClerk) -> None:
    base.items[0].update(status="active", plan_period="fortnight", brand_new={"x": 1})
    base.items[0]["plan"]["fee"] = {"amount": 1, "surprise": True}
    assert run().state == "done"
    assert balance("user_1") == 100


def test_a_lost_end_is_found(base: FakeClerk) -> None:
    run()
    base.items[0].update(status="ended", ended_at=NOW - 1000, updated_at=NOW - 1000)
    job = run()
    assert SubscriptionItem.objects.get(payer_id="user_1").status == "ended"
    assert balance("user_1") == 0
    assert job.counts["drift"] == 1


def test_an_item_clerk_does_not_list_is_named(base: FakeClerk) -> None:
    run()
    gone = base.items.pop(0)
    job = run()
    assert job.failures[0]["who"] == gone["id"]
    assert balance("user_1") == 100


@pytest.mark.parametrize("lost", range(0, 26, 3))
def test_lost_events_are_caught_up_by_a_sync(fake: FakeClerk, lost: int) -> None:
    for plan, amount in (("cplan_free", 10), ("cplan_pro", 100), ("cplan_max", 500)):
        make_plan(plan, credits=amount)
    history = full_history(NOW)
    history.into(fake)
    with rolled_back():
        receive_all(history.events)
        run()
        expected = final_state()
    receive_all(
        [
            delivery
            for number, delivery in enumerate(history.events)
            if not lost <= number < lost + 5
        ]
    )
    run()
    got = final_state()
    assert got["balance"] == expected["balance"]
    assert got["person"] == expected["person"]
    assert [row[:3] for row in got["items"]] == [
        row[:3] for row in expected["items"] if row[0] in {r[0] for r in got["items"]}
    ]
    assert [g for g in got["grants"] if g[2]] == [g for g in expected["grants"] if g[2]]


def test_the_reconcile_reports_what_had_drifted(
    base: FakeClerk, caplog: pytest.LogCaptureFixture
) -> None:
    job = sync.reconcile()
    assert job.counts["drift"] == 3
    assert "3 subscription items had drifted" in caplog.text
    assert sync.reconcile().counts["drift"] == 0


def test_a_payment_asks_for_a_look_at_the_subscription(base: FakeClerk, deliver: Deliver) -> None:
    from procrastinate.contrib.django.models import ProcrastinateJob

    from tests.fakes.clerk_events import payment_json

    deliver(event("paymentAttempt.updated", payment_json("user_1", "cpa_1", at=NOW), at=NOW))
    job = ProcrastinateJob.objects.get()
    assert (job.task_name, job.args) == ("clerk.pull", {"clerk_id": "user_1"})
    sync.pull("user_1")
    assert balance("user_1") == 100


def test_what_a_row_failed_with_names_nobody(
    monkeypatch: pytest.MonkeyPatch, base: FakeClerk
) -> None:
    """The database says the values of a row that it refuses; jobs are kept for good."""

    def refused(person: Person) -> None:
        User.objects.create(email="Somebody@Example.com")

    monkeypatch.setattr(users, "upsert_person", refused)
    base.users = [user_json("user_1", at=1)]
    [failure] = run().failures
    assert failure["who"] == "user_1"
    assert "user_email_lower_case" in failure["error"]
    assert "example.com" not in failure["error"].lower()
