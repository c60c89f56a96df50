"""Clerk's background work (settings.PROCRASTINATE_IMPORT_PATHS)."""

import logging
from datetime import timedelta

from django.utils import timezone
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from credits.clerk import conf
from credits.clerk.billing.releases import release_due
from credits.clerk.client import ClerkUnavailable, NotAtClerk
from credits.clerk.sync import run
from credits.clerk.sync.jobs import sync_later
from credits.clerk.webhooks.inbox import empty_old_payloads
from credits.models import SessionLink, SyncJob

logger = logging.getLogger(__name__)

#: Clerk's tokens are good for a minute; ended sessions are kept far longer than any of them.
ENDED_KEPT = timedelta(days=7)
#: Minute of the hour, away from the full hour at which everybody asks Clerk.
HOURLY_AT = 17
LATER = RetryStrategy(max_attempts=8, exponential_wait=3, retry_exceptions={ClerkUnavailable})


@app.task(name="clerk.pull", retry=LATER)
def pull(clerk_id: str) -> None:
    """Reads one user and their subscription from Clerk."""
    try:
        run.pull(clerk_id)
    except NotAtClerk:
        logger.warning("Clerk does not know %s", clerk_id)


@app.task(name="clerk.sync")
def run_sync(job_id: str) -> None:
    """Works on a sync job."""
    run.run_sync(job_id)


@app.periodic(cron=f"{HOURLY_AT} * * * *")
@app.task(name="clerk.hourly", queueing_lock="clerk.hourly")
def hourly(timestamp: int) -> None:
    """Makes up for lost webhooks, and grants months that have begun."""
    if conf.has_backend():
        run.reconcile()
    elif conf.signs_in() or conf.takes_webhooks():
        release_due()
    SessionLink.objects.filter(ended_at__lt=timezone.now() - ENDED_KEPT).delete()


@app.periodic(cron="* * * * *")
@app.task(name="clerk.resume", queueing_lock="clerk.resume")
def resume(timestamp: int) -> None:
    """Puts syncs whose worker died back on the queue; they go on where they stopped."""
    for job in SyncJob.stalled():
        sync_later(job.pk)


@app.periodic(cron="40 3 * * *")
@app.task(name="clerk.empty_payloads", queueing_lock="clerk.empty_payloads")
def empty_payloads(timestamp: int) -> None:
    """Empties webhook payloads that are old and settled."""
    if emptied := empty_old_payloads():
        logger.info("Emptied %d webhook payloads", emptied)
