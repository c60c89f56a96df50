"""Putting work on the queue. Jobs are written in the caller's transaction: they exist if, and only
if, what asked for them does."""

from procrastinate.contrib.django import app

from credits.clerk import conf


def pull_later(clerk_id: str) -> None:
    """Reads this person and their subscription from Clerk soon; nothing without a secret key."""
    if conf.has_backend():
        app.configure_task("clerk.pull", queue="default").defer(clerk_id=clerk_id)


def sync_later(job_id: str) -> None:
    """Runs a sync job in a worker."""
    app.configure_task("clerk.sync", queue="default").defer(job_id=job_id)
