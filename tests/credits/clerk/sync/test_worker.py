"""A sync in a real worker: killed in the middle of a page, cancelled, and beside other work."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from django.db import connection
from procrastinate.contrib.django.models import ProcrastinateJob

from credits.clerk.sync.jobs import cancel_job, start_job
from credits.clerk.sync.options import SyncOptions
from credits.clerk.tasks import HOURLY_AT, hourly, resume
from credits.models import CreditBalance, CreditGrant, SyncJob, UsageHistory, User
from credits.models.background import SILENCE
from tests.factories import make_plan
from tests.fakes import clerk as fake_clerk
from tests.fakes.clerk import FakeClerk, user_json
from tests.fakes.clerk_events import DAY, as_api, item_json
from tests.forked import Forked
from tests.live import running_worker
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE, PAGE = 60, 20
NOW = int(time.time() * 1000)
OPTIONS = SyncOptions(page_size=PAGE, set_credits=True, override_credits=150)


@pytest.fixture
def base(transactional_db: None, fake: FakeClerk) -> FakeClerk:
    """Sixty people with a subscription each."""
    make_plan("cplan_pro", credits=100)
    ids = [f"user_{number:02}" for number in range(PEOPLE)]
    fake.users = [user_json(name, at=number + 1) for number, name in enumerate(ids)]
    fake.items = [as_api(item_json(name, period_start=NOW - DAY)) for name in ids]
    let_the_hourly_sync_have_run()
    return fake


def let_the_hourly_sync_have_run() -> None:
    """A worker that starts within ten minutes of its time runs it at once, and it would take a part
    of what these tests count: for this hour and the next it is entered as deferred."""
    hour = int(time.time()) // 3600 * 3600
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO procrastinate_periodic_defers (task_name, periodic_id, defer_timestamp)"
            " VALUES (%s, '', %s) ON CONFLICT DO NOTHING",
            [(hourly.name, hour + nth * 3600 + HOURLY_AT * 60) for nth in (-1, 0, 1)],
        )


def worker_at(fake: FakeClerk, log: Path) -> AbstractContextManager[Forked]:
    """A running worker that asks the fake Clerk."""
    environment = {
        "CLERK_SECRET_KEY": fake_clerk.SECRET_KEY,
        "CLERK_INSTANCE_ID": fake_clerk.INSTANCE,
        "CLERK_API_URL": fake.url,
        "SIGNUP_CREDITS": "0",
    }
    return running_worker(environment, log=log)


def end_of(log: Path) -> Callable[[], str]:
    return lambda: f"the worker:\n{log.read_text()[-3000:]}"


def is_in(job: SyncJob, *states: str) -> Callable[[], bool]:
    return lambda: SyncJob.objects.filter(pk=job.pk, state__in=states).exists()


REACHED: dict[str, Callable[[], int]] = {
    "people": lambda: User.objects.all().count(),
    "items": lambda: CreditGrant.objects.filter(key__startswith="clerk:").count(),
    "credits": lambda: UsageHistory.objects.filter(operation_type="ADJUSTMENT").count(),
}


@pytest.mark.parametrize("at", REACHED)
def test_a_worker_killed_within_a_page_loses_nothing_and_does_nothing_twice(
    base: FakeClerk, tmp_path: Path, at: str
) -> None:
    log = tmp_path / "worker.log"
    job = start_job(options=OPTIONS, actor="admin@example.com", background=True, allowance=10**9)
    with worker_at(base, log) as worker:
        wait_for(lambda: REACHED[at]() >= PAGE + PAGE // 2, end_of(log), pause=0.005)
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
    job.refresh_from_db()
    assert job.state == "running"
    assert REACHED[at]() < PEOPLE
    # Five minutes later the watch, which runs each minute, finds it silent.
    SyncJob.objects.update(heartbeat_at=job.heartbeat_at - 2 * SILENCE)
    resume(timestamp=0)
    with worker_at(base, log) as worker:
        wait_for(is_in(job, "done", "failed"), end_of(log))
    job.refresh_from_db()
    assert (job.state, job.failed, job.processed) == ("done", 0, 3 * PEOPLE)
    counted = {
        "processed": PEOPLE,
        "createdUsers": PEOPLE,
        "updatedUsers": 0,
        "createdBalances": PEOPLE,
        "activeSubscriptions": PEOPLE,
        "creditsRefreshed": PEOPLE,
        "drift": PEOPLE,
    }
    assert {name: job.counts[name] for name in counted} == counted
    assert User.objects.count() == REACHED["items"]() == PEOPLE
    assert set(CreditBalance.objects.values_list("credits_remaining", flat=True)) == {150}
    assert UsageHistory.objects.count() == 2 * PEOPLE


def test_a_sync_in_a_worker_stops_when_it_is_cancelled(base: FakeClerk, tmp_path: Path) -> None:
    base.pause = 0.3
    log = tmp_path / "worker.log"
    job = start_job(options=SyncOptions(page_size=5), actor="admin", background=True)
    with worker_at(base, log):
        wait_for(User.objects.exists, end_of(log))
        assert cancel_job(job.pk)
        wait_for(is_in(job, "canceled"), end_of(log))
    assert 0 < User.objects.count() < PEOPLE
    assert not CreditGrant.objects.exists()


def test_a_long_sync_does_not_keep_the_sweep_of_holds_waiting(
    base: FakeClerk, tmp_path: Path
) -> None:
    base.pause = 1
    log = tmp_path / "worker.log"
    job = start_job(options=SyncOptions(page_size=1), actor="admin", background=True)
    swept = ProcrastinateJob.objects.filter(task_name="credits.sweep", status="succeeded")
    with worker_at(base, log):
        wait_for(is_in(job, "running"), end_of(log))
        wait_for(swept.exists, end_of(log))
        assert is_in(job, "running")()
        assert cancel_job(job.pk)
        wait_for(is_in(job, "canceled"), end_of(log))
