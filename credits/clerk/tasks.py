"""Clerk's background work, found by `manage.py procrastinate worker`."""

import logging
from datetime import timedelta

from django.utils import timezone
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from credits.clerk import conf, queue
from credits.clerk.billing import subscriptions
from credits.clerk.client import ClerkUnavailable, NotAtClerk
from credits.clerk.models import SessionLink
from credits.clerk.sync import run
from credits.clerk.sync.jobs import stalled
from credits.clerk.webhooks import retention

logger = logging.getLogger(__name__)

#: Clerk's tokens live a minute; an ended session is remembered far longer than any of them.
REMEMBERED = timedelta(days=7)
#: Minute of the hour, away from the full hour at which everybody asks Clerk.
HOURLY_AT = 17
LATER = RetryStrategy(max_attempts=8, exponential_wait=3, retry_exceptions={ClerkUnavailable})


@app.task(name="clerk.pull", retry=LATER)
def pull(clerk_id: str) -> None:
    """Reads one person and their subscription from Clerk."""
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
    """Catches lost webhooks, and releases months that have begun."""
    if conf.has_backend():
        run.reconcile()
    elif conf.signs_in() or conf.takes_webhooks():
        subscriptions.release_due()
    old = SessionLink.objects.filter(ended_at__lt=timezone.now() - REMEMBERED)
    old.delete()


@app.periodic(cron="40 3 * * *")
@app.task(name="clerk.forget", queueing_lock="clerk.forget")
def forget(timestamp: int) -> None:
    """Empties webhook payloads that are old and dealt with."""
    if forgotten := retention.forget_old():
        logger.info("forgot: %d webhook payloads", forgotten)


@app.periodic(cron="* * * * *")
@app.task(name="clerk.resume", queueing_lock="clerk.resume")
def resume(timestamp: int) -> None:
    """Puts syncs whose worker died back on the queue; they go on where they stopped."""
    for job in stalled():
        queue.sync_later(str(job.pk))
