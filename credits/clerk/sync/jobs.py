"""Sync jobs: starting, watching, cancelling, and who works on one. What a job does is in `run`."""

import time
import uuid
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from credits.clerk import queue
from credits.clerk.models import SyncJob
from credits.clerk.sync.options import SyncOptions
from credits.clerk.sync.preview import Preview

State = SyncJob.State

#: A job whose runner was not heard of for so long is taken over: twice as long as Clerk is waited
#: for between two signs of life.
SILENCE = timedelta(seconds=90)
#: Seconds after which rows that save nothing give a sign of life.
BEAT = 15
FAILURES_NAMED = 50
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
#: Counted of every row, changed or not: these are saved with its page.
SEEN = ("processed", "activeSubscriptions")


class Cancelled(Exception):
    """Somebody asked the job to stop."""


class TakenOver(Exception):
    """Another process works on the job now; this one must leave it alone."""


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
        queue.sync_later(str(job.pk))
    return job


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


class Progress:
    """A job in the hands of this process: what it counts, saved page by page. Saving raises
    Cancelled or TakenOver."""

    def __init__(self, job: SyncJob) -> None:
        self.job = job
        self.options = SyncOptions(**job.options)
        self.watch: Callable[[SyncJob], object] | None = None
        self._beat_at = time.monotonic()
        self._seen = self._counts_of_seen()
        self.preview = Preview() if self.options.dry_run else None

    @classmethod
    def claim(cls, job_id: uuid.UUID | str) -> "Progress | None":
        """Takes a job that nobody works on; None when it ended or somebody does."""
        runner = uuid.uuid4()
        silent = Q(heartbeat_at__lt=timezone.now() - SILENCE)
        free = Q(state=State.QUEUED) | Q(silent, state=State.RUNNING)
        taken = SyncJob.objects.filter(free, pk=job_id).update(
            state=State.RUNNING, runner=runner, heartbeat_at=timezone.now()
        )
        if not taken:
            return None
        job = SyncJob.objects.get(pk=job_id)
        if not job.started_at:
            job.started_at = timezone.now()
            job.save(update_fields=["started_at"])
        return cls(job)

    def begin_again(self) -> None:
        """From the first page, as if nothing had been counted."""
        job = self.job
        job.phase, job.cursor, job.counts = "", {}, dict.fromkeys(COUNTS, 0)
        job.processed, job.total, job.failed, job.failures = 0, 0, 0, []

    def count(self, name: str, by: int = 1) -> None:
        self.job.counts[name] = self.job.counts.get(name, 0) + by

    def fail(self, who: str, error: Exception) -> None:
        """One row failed; the first are named."""
        self.job.failed += 1
        if len(self.job.failures) < FAILURES_NAMED:
            self.job.failures.append(
                {"who": who, "error": f"{type(error).__name__}: {error}"[:300]}
            )

    def enter(self, phase: str, total: int) -> None:
        """A new phase begins, unless a restart finds the job in it."""
        if self.job.phase != phase:
            self.job.phase, self.job.cursor = phase, {}
            self.job.total = self.job.processed + total

    def keep(self) -> None:
        """Saves what a row changed, in that row's own transaction, so that it is counted once also
        when this process is killed within the page. Raises TakenOver, which takes the row back."""
        counts = {**self.job.counts, **self._seen}
        if not self._mine().update(counts=counts, heartbeat_at=timezone.now()):
            raise TakenOver(str(self.job.pk))

    def stay_heard(self) -> None:
        """Called for each row that saves nothing, as in a dry run. Raises Cancelled, TakenOver."""
        if time.monotonic() - self._beat_at > BEAT:
            self.beat()

    def beat(self) -> None:
        """Is heard of where nothing is saved for a while. Raises Cancelled, TakenOver."""
        self._beat_at = time.monotonic()
        if not self._mine().update(heartbeat_at=timezone.now()):
            raise TakenOver(str(self.job.pk))
        self._stop_if_cancelled()

    def wait(self, seconds: float) -> None:
        """Waits until Clerk may be asked again. Raises Cancelled, TakenOver."""
        self.beat()
        time.sleep(seconds)

    def _stop_if_cancelled(self) -> None:
        if SyncJob.objects.filter(pk=self.job.pk, cancel_requested=True).exists():
            raise Cancelled(str(self.job.pk))

    def _counts_of_seen(self) -> dict[str, int]:
        return {name: self.job.counts.get(name, 0) for name in SEEN}

    def _mine(self) -> QuerySet[SyncJob]:
        return SyncJob.objects.filter(pk=self.job.pk, runner=self.job.runner, state=State.RUNNING)

    def save(self, *, processed: int = 0, cursor: dict[str, Any] | None = None) -> None:
        job = self.job
        job.processed += processed
        job.total = max(job.total, job.processed)
        if cursor is not None:
            job.cursor = cursor
        saved = self._mine().update(
            phase=job.phase,
            processed=job.processed,
            total=job.total,
            counts=job.counts,
            failed=job.failed,
            failures=job.failures,
            cursor=job.cursor,
            heartbeat_at=timezone.now(),
        )
        if not saved:
            raise TakenOver(str(job.pk))
        self._seen = self._counts_of_seen()
        self._stop_if_cancelled()
        if self.watch:
            self.watch(job)

    def finish(self, state: str, error: str = "") -> None:
        self._mine().update(
            state=state,
            error=error[:1000],
            counts=self.job.counts,
            failed=self.job.failed,
            failures=self.job.failures,
            finished_at=timezone.now(),
        )
        self.job.refresh_from_db()
