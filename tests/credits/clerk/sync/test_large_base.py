"""A large base against the fake at Clerk's limit of 1,000 requests in 10 seconds.
`make clerk-proof` takes 10,000 people."""

import os
import resource
import time

import pytest

from credits.clerk.sync.jobs import start_job
from credits.clerk.sync.options import SyncOptions
from credits.clerk.sync.run import run_sync
from credits.models import CreditGrant, UsageHistory, User
from credits.models.clerk import SyncJob
from tests.factories import make_plan
from tests.fakes.clerk import FakeClerk, user_json
from tests.fakes.clerk_events import DAY, as_api, item_json

NOW = int(time.time() * 1000)
PEOPLE = int(os.environ.get("CLERK_PEOPLE", "10000"))


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_large_base_syncs_with_flat_memory(
    fake: FakeClerk, capsys: pytest.CaptureFixture[str]
) -> None:
    make_plan("cplan_pro", credits=100)
    ids = [f"user_{number:06}" for number in range(PEOPLE)]
    fake.users = [user_json(i, email=f"{i}@example.com", at=n + 1) for n, i in enumerate(ids)]
    fake.items = [as_api(item_json(i, period_start=NOW - DAY)) for i in ids]
    fake.rate_limit = 1000
    job = start_job(options=SyncOptions(), actor="test", background=False)
    peaks = []

    def watch(job: SyncJob) -> None:
        # The most this process ever held, in kilobytes: it must stop growing.
        peaks.append((job.phase, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))

    began = time.monotonic()
    run_sync(job.pk, watch=watch)
    seconds = time.monotonic() - began
    job.refresh_from_db()
    assert (job.state, job.failed) == ("done", 0)
    assert User.objects.count() == CreditGrant.objects.count() == PEOPLE
    assert peaks[-1][1] < peaks[0][1] + 50_000
    rows = UsageHistory.objects.count()
    again = start_job(options=SyncOptions(), actor="test", background=False)
    began = time.monotonic()
    run_sync(again.pk)
    with capsys.disabled():
        print(
            f"\n{PEOPLE} people: {seconds:.0f} s, at most {peaks[-1][1] // 1024} MB "
            f"({peaks[0][1] // 1024} MB after the first page); again: "
            f"{time.monotonic() - began:.0f} s, {sum(fake.calls.values())} requests in all"
        )
    again.refresh_from_db()
    assert again.counts["drift"] == 0
    assert UsageHistory.objects.count() == rows
