"""Sync jobs: starting, describing, cancelling. Working on one is in `progress`, what it does in
`run`."""

import uuid
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from procrastinate.contrib.django import app

from credits.clerk.sync.options import SyncOptions
from credits.models import SyncJob

State = SyncJob.State

#: A job without a heartbeat for so long is taken over: the longest time between two heartbeats,
#: while Clerk is being waited for, is half of it.
SILENCE = timedelta(seconds=90)
COUNTS = (
    "processed",
    "createdUsers",
    "updatedUsers",
    "deletedUsers",
    "createdBalances",
    "activeSubscriptions",
    "creditsRefreshed",
    "creditsGranted",
    "creditsAdded",
    "creditsTaken",
    "drift",
)


def start_job(
    *, options: SyncOptions, actor: str, background: bool, job_id: uuid.UUID | None = None
) -> SyncJob:
    """A new job, on the queue when it is to run in the background."""
    job = SyncJob.objects.create(
        pk=job_id or uuid.uuid4(),
        options=asdict(options),
        actor=actor,
        counts=dict.fromkeys(COUNTS, 0),
    )
    if background:
        sync_later(job.pk)
    return job


def sync_later(job_id: uuid.UUID) -> None:
    """Has a worker take up this job, if the caller's transaction commits."""
    app.configure_task("clerk.sync", queue="default").defer(job_id=str(job_id))


def cancel_job(job_id: uuid.UUID) -> bool:
    """Asks a job to stop after its page; one that waits is over at once. False if it had ended."""
    queued = SyncJob.objects.filter(pk=job_id, state=State.QUEUED)
    if queued.update(state=State.CANCELED, cancel_requested=True, finished_at=Now()):
        return True
    running = SyncJob.objects.filter(pk=job_id, state=State.RUNNING)
    return bool(running.update(cancel_requested=True))


def describe(job: SyncJob) -> dict[str, Any]:
    """Progress for people and programs: rate in rows a second, time left in seconds."""
    seconds = _seconds(job)
    rate = job.processed / seconds if seconds else 0.0
    left = max(job.total - job.processed, 0)
    running = job.state == State.RUNNING
    return {
        "id": str(job.pk),
        "state": job.state,
        "phase": job.phase,
        "processed": job.processed,
        "total": job.total,
        "rate": round(rate, 1),
        "secondsLeft": round(left / rate) if running and rate else None,
        "counts": job.counts,
        "failed": job.failed,
        "failures": job.failures,
        "error": job.error or None,
    }


def _seconds(job: SyncJob) -> float:
    if not job.started_at:
        return 0.0
    return ((job.finished_at or datetime.now(UTC)) - job.started_at).total_seconds()


def stalled() -> QuerySet[SyncJob]:
    """Jobs whose worker died, or that were queued and lost."""
    silent = Q(heartbeat_at__lt=timezone.now() - SILENCE)
    lost = Q(state=State.QUEUED, created_at__lt=timezone.now() - SILENCE)
    return SyncJob.objects.filter(Q(silent, state=State.RUNNING) | lost)
