"""What the hourly reconcile finds by itself, and within which time."""

import time
from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from credits.clerk import identity
from credits.clerk.parsing import parse_person
from credits.clerk.sync import run as sync
from credits.models import CreditGrant, Identity, SubscriptionItem, SyncJob, User
from tests.factories import make_plan
from tests.fakes.clerk import FakeClerk, user_json
from tests.fakes.clerk_events import DAY, as_api, item_json

pytestmark = pytest.mark.django_db
NOW = int(time.time() * 1000)


@pytest.fixture
def base(fake: FakeClerk) -> FakeClerk:
    """Thirty people, all known here, of whom everything was read an hour ago."""
    fake.users = [user_json(f"user_{n:02}", at=n + 1) for n in range(30)]
    for user in fake.users:
        identity.upsert_person(parse_person(user))
    sync.reconcile()
    passes(hours=1)
    fake.calls.clear()
    return fake


def passes(hours: int) -> None:
    """Whatever was done was done so much longer ago."""
    SyncJob.objects.update(started_at=F("started_at") - timedelta(hours=hours))


def closed() -> set[str | None]:
    return set(User.objects.filter(is_active=False).values_list("clerk_id", flat=True))


def test_a_lost_deletion_is_found_within_the_hour(
    base: FakeClerk, caplog: pytest.LogCaptureFixture
) -> None:
    gone = base.users.pop(7)
    job = sync.reconcile()
    assert closed() == {gone["id"]}
    assert (job.state, job.failed, job.counts["deletedUsers"]) == ("done", 0, 1)
    assert "1 people had changed" in caplog.text
    passes(hours=1)
    assert sync.reconcile().counts["deletedUsers"] == 0


def test_an_hour_in_which_nobody_left_walks_over_nobody(base: FakeClerk) -> None:
    assert sync.reconcile().state == "done"
    assert base.calls["users"] == 2  # Who changed, and how many there are.


def test_a_deletion_that_a_newcomer_hides_is_found_within_a_day(base: FakeClerk) -> None:
    gone = base.users.pop(7)
    base.users.append(user_json("user_unheard", at=NOW - 3 * DAY))
    assert sync.reconcile().counts["deletedUsers"] == 0
    passes(hours=23)
    job = sync.reconcile()
    assert closed() == {gone["id"]}
    assert (job.counts["deletedUsers"], job.counts["createdUsers"]) == (1, 1)


def test_a_free_plan_whose_event_was_lost_is_found_within_a_day(base: FakeClerk) -> None:
    make_plan("cplan_free", credits=10)
    free = item_json("user_01", "cplan_free", period_start=NOW - 40 * DAY, period_end=None)
    base.items.append(as_api(free))
    sync.reconcile()
    assert not SubscriptionItem.objects.exists()
    passes(hours=23)
    sync.reconcile()
    assert CreditGrant.objects.get().key.startswith("free:user_01:")


def test_a_day_whose_great_reading_failed_has_another(
    base: FakeClerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("credits.clerk.client.FIRST_PAUSE", 0)
    passes(hours=23)
    base.failures.extend([(503, {})] * 6)
    assert sync.reconcile().state == "failed"
    assert sync.reconcile().options["sync_users"]
    assert not sync.reconcile().options["sync_users"]


@pytest.mark.parametrize("people", [2, 60])
def test_with_another_instance_s_key_nobody_is_closed_however_many_it_knows(
    base: FakeClerk, people: int
) -> None:
    ids = [f"user_{n:02}" for n in range(2)]
    Identity.objects.exclude(clerk_id__in=ids).update(deleted_at=timezone.now())
    base.users = [user_json(f"user_else_{n}", at=NOW - 9 * DAY) for n in range(people)]
    passes(hours=23)
    job = sync.reconcile()
    assert closed() == set()
    assert "2 of 2" in job.failures[0]["error"]


def test_the_people_of_another_instance_do_not_outnumber_those_who_are_missing(
    base: FakeClerk,
) -> None:
    base.users = [base.users[0], *(user_json(f"user_else_{n}", at=NOW) for n in range(300))]
    passes(hours=23)
    job = sync.reconcile()
    assert closed() == set()
    assert "29 of 30" in job.failures[0]["error"]


def test_what_somebody_who_was_deleted_had_is_not_looked_for(base: FakeClerk) -> None:
    make_plan("cplan_pro", credits=100)
    base.items = [as_api(item_json("user_07", period_start=NOW - DAY))]
    sync.reconcile()
    del base.items[0], base.users[7]
    identity.mark_deleted("user_07")
    assert sync.reconcile().failures == []
