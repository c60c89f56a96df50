"""The sweep runs by itself: a real worker, a command, and the task that both share."""

import os
import signal
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from credits.models import CreditGrant, Hold, User
from credits.tasks import sweep
from tests.clock import Clock
from tests.factories import make_charge, make_grant, make_user
from tests.forked import Forked
from tests.ledger import assert_ledger_is_consistent, sql_balance
from tests.live import running_worker
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db


@pytest.fixture
def due(clock: Clock) -> User:
    """A user with 10 credits, 4 of them held past their lease, and 5 more that are to expire."""
    user = make_user(credits=10)
    make_charge(user, 4, hold=True, lease_seconds=60)
    make_grant(user, 5, expires_at=clock.now() + timedelta(seconds=60))
    clock.move(seconds=61)
    return user


def test_the_command_sweeps_and_says_what_it_did(due: User) -> None:
    out = StringIO()
    call_command("sweep", stdout=out)
    assert out.getvalue() == "1 holds refunded, credits of 1 users expired.\n"
    assert sql_balance(due) == 10
    assert_ledger_is_consistent(grace=timedelta(0))


def test_the_task_sweeps(due: User) -> None:
    sweep(timestamp=0)
    assert sql_balance(due) == 10
    assert_ledger_is_consistent(grace=timedelta(0))


def test_the_sweep_is_a_periodic_task_that_any_worker_finds() -> None:
    [periodic] = [
        task for (name, _), task in app.periodic_registry.periodic_tasks.items()
        if name == "credits.sweep"
    ]  # fmt: skip
    assert periodic.croniter.get_next(start_time=1001.0) == 1005.0
    assert "credits.sweep" in app.tasks


def _wait_until_swept(worker: Forked, log: Path) -> None:
    due = CreditGrant.objects.filter(expired=False, expires_at__isnull=False)

    def is_swept() -> bool:
        assert worker.poll() is None, log.read_text()[-3000:]
        return not Hold.objects.exists() and not due.exists()

    wait_for(is_swept, lambda: f"the worker to sweep:\n{log.read_text()[-3000:]}", pause=0.1)


@pytest.mark.django_db(transaction=True)
def test_a_real_worker_sweeps_what_a_killed_worker_left(due: User, tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    with running_worker({}, log=log) as worker:
        _wait_until_swept(worker, log)
        os.killpg(worker.pid, signal.SIGKILL)
    assert sql_balance(due) == 10
    make_charge(due, 3, hold=True, lease_seconds=60)
    Clock().move(seconds=61)
    with running_worker({}, log=log) as worker:
        _wait_until_swept(worker, log)
    assert sql_balance(due) == 10
    assert ProcrastinateJob.objects.filter(task_name="credits.sweep").exists()
