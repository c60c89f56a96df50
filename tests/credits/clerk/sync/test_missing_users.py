"""People whose webhooks were lost: a sync finds who left Clerk, the reconcile who changed."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from credits.clerk import identity
from credits.clerk.parsing import parse_person
from credits.clerk.sync import run as sync
from credits.clerk.sync.jobs import start_job
from credits.clerk.sync.options import SyncOptions
from credits.clerk.sync.run import run_sync
from credits.models import Identity, SyncJob, User
from tests.credits.clerk.sync.runs import run
from tests.fakes.clerk import FakeClerk, user_json

pytestmark = pytest.mark.django_db
NOW = int(time.time() * 1000)
MINUTE = 60_000


@pytest.fixture
def read_today(base: FakeClerk) -> None:
    """Everybody was read already: the reconcile asks for changes only."""
    sync.reconcile()
    base.calls.clear()


@pytest.fixture
def base(fake: FakeClerk) -> FakeClerk:
    """Thirty users, all of them known here."""
    fake.users = [user_json(f"user_{n:02}", email=f"u{n}@example.com", at=n + 1) for n in range(30)]
    for user in fake.users:
        identity.upsert_person(parse_person(user))
    return fake


def closed() -> set[str | None]:
    return set(User.objects.filter(is_active=False).values_list("clerk_id", flat=True))


def test_who_left_clerk_unheard_is_found_by_a_sync(base: FakeClerk) -> None:
    gone = base.users.pop(7)
    job = run(page_size=10)
    assert closed() == {gone["id"]}
    assert Identity.objects.get(clerk_id=gone["id"]).deleted_at
    assert (job.state, job.failed, job.counts["deletedUsers"]) == ("done", 0, 1)
    assert run().counts["deletedUsers"] == 0


def test_a_dry_run_counts_who_left_and_closes_nothing(base: FakeClerk) -> None:
    base.users.pop()
    assert run(dry_run=True).counts["deletedUsers"] == 1
    assert closed() == set()


def test_with_the_key_of_another_instance_nobody_is_closed(base: FakeClerk) -> None:
    base.users = [user_json("user_elsewhere", at=NOW)]
    job = run()
    assert closed() == set()
    assert job.failures[0]["who"] == "people"
    assert "30 of 30" in job.failures[0]["error"]


def test_a_list_cut_short_closes_nobody(base: FakeClerk) -> None:
    run(page_size=10, max_pages=1)
    assert closed() == set()


@pytest.mark.parametrize("status", [403, 422])
def test_only_a_clear_answer_closes_an_account(base: FakeClerk, status: int) -> None:
    gone = base.users.pop()
    base.broken[gone["id"]] = status
    job = run()
    assert closed() == set()
    assert [failure["who"] for failure in job.failures] == [gone["id"]]


def test_who_was_only_missed_by_the_list_is_brought_up_to_date(
    base: FakeClerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    run()
    Identity.objects.filter(clerk_id="user_03").update(checked_at=None)
    base.users[3] = user_json("user_03", email="new@example.com", at=NOW)
    monkeypatch.setattr(
        "credits.clerk.client.ClerkClient.user_pages",
        lambda *_, **__: iter([[user for user in base.users if user["id"] != "user_03"]]),
    )
    assert run().counts["deletedUsers"] == 0
    assert User.objects.get(clerk_id="user_03").email == "new@example.com"


def test_somebody_new_during_the_walk_is_not_missed(base: FakeClerk) -> None:
    job = start_job(options=SyncOptions(page_size=10), actor="test", background=False)

    def sign_up(_: object) -> None:
        identity.upsert_person(parse_person(user_json("user_new", at=NOW)))

    run_sync(job.pk, watch=sign_up)
    assert closed() == set()


def test_the_reconcile_catches_who_changed_and_reads_no_more(
    base: FakeClerk, read_today: None, caplog: pytest.LogCaptureFixture
) -> None:
    base.users[4] = user_json("user_04", email="new@example.com", at=NOW - MINUTE)
    base.users.append(user_json("user_new", at=NOW - 2 * MINUTE))
    job = sync.reconcile()
    assert (job.counts["updatedUsers"], job.counts["createdUsers"]) == (1, 1)
    assert User.objects.get(clerk_id="user_04").email == "new@example.com"
    assert "1 people had changed" in caplog.text
    assert base.calls["users"] == 2  # The changes, and how many there are.
    assert sync.reconcile().counts["updatedUsers"] == 0


def test_the_reconcile_begins_where_the_last_one_did(base: FakeClerk) -> None:
    sync.reconcile()
    SyncJob.objects.update(started_at=timezone.now() - timedelta(hours=3))
    base.users[4] = user_json("user_04", email="old@example.com", at=NOW - 4 * 60 * MINUTE)
    base.users[5] = user_json("user_05", email="new@example.com", at=NOW - 2 * 60 * MINUTE)
    assert sync.reconcile().counts["updatedUsers"] == 1
    assert User.objects.get(clerk_id="user_05").email == "new@example.com"


def test_a_failed_reconcile_is_made_up_for_by_the_next(
    base: FakeClerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("credits.clerk.client.FIRST_PAUSE", 0)
    sync.reconcile()
    SyncJob.objects.update(started_at=timezone.now() - timedelta(hours=3))
    base.users[4] = user_json("user_04", email="new@example.com", at=NOW - 2 * 60 * MINUTE)
    base.failures.extend([(503, {})] * 6)
    assert sync.reconcile().state == "failed"
    assert sync.reconcile().counts["updatedUsers"] == 1
