"""A sync that is killed, taken over, cancelled, or finds Clerk down."""

import uuid
from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest

from credits.clerk.billing import releases
from credits.clerk.client import ClerkClient
from credits.clerk.parsing import Person
from credits.clerk.sync import users
from credits.clerk.sync.jobs import cancel_job, describe, start_job
from credits.clerk.sync.options import SyncOptions
from credits.clerk.sync.run import run_sync
from credits.models import CreditGrant, Plan, SyncJob, User
from credits.models.background import SILENCE
from tests.credits.clerk.sync.runs import run
from tests.fakes.clerk import FakeClerk

pytestmark = pytest.mark.django_db


def test_a_killed_worker_s_job_goes_on_where_it_stopped(
    base: FakeClerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = start_job(options=SyncOptions(page_size=2), actor="test", background=False)
    real, calls = users._sync_page, []

    def dies(progress: Any, people: list[Person]) -> None:
        calls.append([person.clerk_id for person in people])
        if len(calls) == 2:
            raise SystemExit
        real(progress, people)

    monkeypatch.setattr(users, "_sync_page", dies)
    with pytest.raises(SystemExit):
        run_sync(job.pk)
    run_sync(job.pk)  # Not yet: its heart may still beat.
    assert len(calls) == 2
    job.refresh_from_db()
    SyncJob.objects.update(heartbeat_at=job.heartbeat_at - 2 * SILENCE)
    assert list(SyncJob.stalled()) == [job]
    run_sync(job.pk)
    job.refresh_from_db()
    assert job.state == "done"
    assert calls[2:] == [["user_3", "user_4"], ["user_5"]]
    assert job.counts["createdUsers"] == 5


def test_a_job_taken_over_is_left_alone(base: FakeClerk, monkeypatch: pytest.MonkeyPatch) -> None:
    job = start_job(options=SyncOptions(page_size=2), actor="test", background=False)

    def steal(job: SyncJob) -> None:
        SyncJob.objects.filter(pk=job.pk).update(runner=uuid.uuid4())

    run_sync(job.pk, watch=steal)
    job.refresh_from_db()
    assert job.state == "running"
    assert job.processed == 2


def test_a_running_job_stops_after_its_page_when_cancelled(base: FakeClerk) -> None:
    job = start_job(options=SyncOptions(page_size=2), actor="test", background=False)
    run_sync(job.pk, watch=lambda job: cancel_job(job.pk))
    job.refresh_from_db()
    assert (job.state, User.objects.count()) == ("canceled", 4)
    assert not cancel_job(job.pk)


def test_a_waiting_job_is_cancelled_at_once(base: FakeClerk) -> None:
    job = start_job(options=SyncOptions(), actor="test", background=False)
    assert cancel_job(job.pk)
    run_sync(job.pk)
    assert not User.objects.exists()


def test_progress_says_how_much_is_left(base: FakeClerk) -> None:
    seen = []
    job = start_job(options=SyncOptions(page_size=2), actor="test", background=False)
    run_sync(job.pk, watch=lambda job: seen.append(describe(job)))
    assert [(s["phase"], s["processed"], s["total"]) for s in seen][:3] == [
        ("users", 2, 5),
        ("users", 4, 5),
        ("users", 5, 5),
    ]
    assert seen[0]["rate"] > 0
    assert seen[0]["secondsLeft"] is not None


def test_a_job_can_be_cancelled_while_it_waits_for_clerk(
    base: FakeClerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = start_job(options=SyncOptions(page_size=2), actor="test", background=False)
    pages = ClerkClient.user_pages

    def busy_after_a_page(client: ClerkClient, **given: Any) -> Iterator[Any]:
        for page in pages(client, **given):
            yield page
            cancel_job(job.pk)
            base.failures.append((429, {"Retry-After": "30"}))

    monkeypatch.setattr(ClerkClient, "user_pages", busy_after_a_page)
    run_sync(job.pk)
    job.refresh_from_db()
    assert (job.state, job.processed) == ("canceled", 2)
    assert base.failures == deque()


def test_a_long_release_is_heard_of_and_can_be_cancelled(
    base: FakeClerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    Plan.objects.update(active=False)
    run()
    Plan.objects.update(active=True)
    monkeypatch.setattr(releases, "AT_ONCE", 1)
    job = start_job(options=SyncOptions(sync_users=False), actor="test", background=False)
    real = releases.release_item

    def cancel_with_the_first(**given: Any) -> None:
        real(**given)
        SyncJob.objects.filter(pk=job.pk).update(cancel_requested=True)

    monkeypatch.setattr(releases, "release_item", cancel_with_the_first)
    run_sync(job.pk)
    job.refresh_from_db()
    assert job.state == "canceled"
    assert CreditGrant.objects.count() == 1


def test_when_clerk_is_down_the_job_says_so(
    base: FakeClerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("credits.clerk.client.FIRST_PAUSE", 0)
    base.failures.extend([(503, {})] * 10)
    job = run()
    assert job.state == "failed"
    assert "503" in job.error
