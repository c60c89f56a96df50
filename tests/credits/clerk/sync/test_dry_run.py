"""A dry run says what the run will do: the same figures, and nothing kept."""

import time
from typing import Any

import pytest

from credits.clerk import identity
from credits.clerk.parsing import Person
from credits.clerk.sync import progress, users
from credits.clerk.sync.jobs import start_job
from credits.clerk.sync.options import SyncOptions
from credits.clerk.sync.run import result_of, run_sync
from credits.ledger import get_balance
from credits.models import (
    CreditBalance,
    CreditGrant,
    Period,
    SubscriptionItem,
    SyncJob,
    UsageHistory,
    User,
)
from credits.models.background import SILENCE
from tests.credits.clerk.histories import receive_all
from tests.factories import make_charge, make_grant, make_plan
from tests.fakes.clerk import FakeClerk, user_json
from tests.fakes.clerk_events import DAY, as_api, full_history, item_json

pytestmark = pytest.mark.django_db
NOW = int(time.time() * 1000)


def run(**options: Any) -> SyncJob:
    job = start_job(options=SyncOptions(**options), actor="test", background=False, allowance=10**9)
    run_sync(job.pk)
    job.refresh_from_db()
    assert job.state == "done", job.error
    return job


def everything() -> list[list[Any]]:
    """What a dry run must not move."""
    return [
        list(model.objects.order_by("pk").values_list(*fields))
        for model, fields in (
            (User, ("pk", "name", "email")),
            (CreditBalance, ("pk", "credits_remaining")),
            (UsageHistory, ("pk",)),
            (CreditGrant, ("pk", "expires_at", "remaining")),
            (SubscriptionItem, ("item_id", "status", "version", "ends")),
            (Period, ("pk", "earned", "settled", "end")),
        )
    ]


def both(**options: Any) -> tuple[Any, Any]:
    """The figures of a dry run, which kept nothing, and of the run after it."""
    before = everything()
    planned = run(dry_run=True, **options)
    assert everything() == before
    return result_of(planned), result_of(run(**options))


@pytest.fixture
def base(fake: FakeClerk) -> FakeClerk:
    """Six users: one pays for Pro as we know, and with the others something is amiss."""
    make_plan("cplan_pro", credits=100)
    make_plan("cplan_max", credits=500)
    fake.users = [user_json(f"user_{n}", email=f"u{n}@example.com", at=n) for n in range(1, 5)]
    fake.items = [as_api(item_json(f"user_{n}", period_start=NOW - DAY)) for n in (1, 2, 3)]
    run()
    return fake


def drift(fake: FakeClerk) -> None:
    fake.users += [user_json(f"user_{n}", email=f"u{n}@example.com", at=n) for n in (5, 6)]
    fake.users[3] = user_json("user_4", email="new@example.com", at=NOW)
    # A lost end, an upgrade of which both halves were lost, a first purchase.
    fake.items[0].update(status="ended", ended_at=NOW - 1000, updated_at=NOW - 1000)
    fake.items[1].update(status="ended", ended_at=NOW - 1000, updated_at=NOW - 1000)
    for user, plan in (("user_2", "cplan_max"), ("user_5", "cplan_pro"), ("user_6", "cplan_free")):
        fake.items.append(as_api(item_json(user, plan, period_start=NOW - 1000)))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"page_size": 1},
        {"sync_plans": False},
        {"sync_users": False},
        {"set_credits": True},
        {"set_credits": True, "page_size": 1},
        {"set_credits": True, "sync_plans": False},
        {"set_credits": True, "override_credits": 7},
        {"set_credits": True, "override_credits": 0, "sync_users": False},
        {"max_pages": 1, "page_size": 2},
    ],
    ids=repr,
)
def test_the_run_does_what_the_dry_run_said(base: FakeClerk, options: dict[str, Any]) -> None:
    drift(base)
    make_grant(User.objects.get(clerk_id="user_3"), 30)
    make_charge(User.objects.get(clerk_id="user_3"), 60)
    planned, done = both(**options)
    assert planned == done


def test_the_figures_are_those_of_what_is_amiss(base: FakeClerk) -> None:
    drift(base)
    make_charge(User.objects.get(clerk_id="user_3"), 60)
    planned, done = both(set_credits=True)
    assert planned == done
    assert (done["createdUsers"], done["updatedUsers"]) == (2, 1)
    assert (done["drift"], done["creditsGranted"]) == (5, 600)
    assert (done["creditsRefreshed"], done["creditsAdded"], done["creditsTaken"]) == (1, 60, 0)
    balances = [get_balance(user_id=u.pk).remaining for u in User.objects.order_by("clerk_id")]
    assert balances == [0, 500, 100, 0, 100, 0]


def test_what_is_taken_is_said_as_well(base: FakeClerk) -> None:
    planned, done = both(set_credits=True, override_credits=40)
    assert planned == done
    assert (done["creditsRefreshed"], done["creditsAdded"], done["creditsTaken"]) == (3, 0, 180)


@pytest.mark.parametrize("lost", range(0, 26, 3))
def test_a_life_with_lost_events_is_foretold(fake: FakeClerk, lost: int) -> None:
    for plan, amount in (("cplan_free", 10), ("cplan_pro", 100), ("cplan_max", 500)):
        make_plan(plan, credits=amount)
    history = full_history(NOW)
    history.into(fake)
    receive_all(
        [
            delivery
            for number, delivery in enumerate(history.events)
            if not lost <= number < lost + 5
        ]
    )
    planned, done = both(set_credits=True)
    assert planned == done


def test_a_dry_run_whose_worker_died_begins_again(base: FakeClerk) -> None:
    drift(base)
    job = start_job(options=SyncOptions(dry_run=True, page_size=2), actor="x", background=False)

    def die(job: SyncJob) -> None:
        raise SystemExit

    with pytest.raises(SystemExit):
        run_sync(job.pk, watch=die)
    type(job).objects.update(heartbeat_at=job.created_at - 2 * SILENCE)
    run_sync(job.pk)
    job.refresh_from_db()
    assert job.state == "done"
    assert result_of(job) == result_of(run(page_size=2))


def test_a_dry_run_has_heartbeats_within_a_page(
    fake: FakeClerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It saves nothing of a row: within a slow page another worker would think it dead.
    fake.users = [user_json(f"user_{n}", email=f"u{n}@example.com", at=n) for n in range(1, 5)]
    monkeypatch.setattr(progress, "BEAT", -1)
    heartbeats: list[Any] = []
    real = identity.upsert_person

    def upsert(person: Person) -> Any:
        heartbeats.append(SyncJob.objects.get().heartbeat_at)
        return real(person)

    monkeypatch.setattr(users, "upsert_person", upsert)
    run(dry_run=True)
    assert len(set(heartbeats)) == 4
    assert heartbeats == sorted(heartbeats)
