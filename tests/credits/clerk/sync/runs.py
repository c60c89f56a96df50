"""Running a sync in tests."""

import time
from typing import Any

from credits.clerk.sync.jobs import start_job
from credits.clerk.sync.options import SyncOptions
from credits.clerk.sync.run import run_sync
from credits.ledger import get_balance
from credits.models import SyncJob, User

NOW = int(time.time() * 1000)


def run(**options: Any) -> SyncJob:
    options = {"options": SyncOptions(**options), "background": False}
    job = start_job(**options, actor="test", allowance=10**12)
    run_sync(job.pk)
    job.refresh_from_db()
    return job


def balance(clerk_id: str) -> int:
    return get_balance(user_id=User.objects.get(clerk_id=clerk_id).pk).remaining
