"""Sync jobs: starting, describing, cancelling. Those that people start, by page, API or command,
run one at a time, and leave an audit entry. Working on a job is in `progress` and `run`."""

import uuid
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from procrastinate.contrib.django import app

from config.errors import DomainError
from credits import audit
from credits.approvals import Kind, asks
from credits.clerk.sync.amounts import allowance_of, most_credits_set
from credits.clerk.sync.options import SyncOptions, contract_of
from credits.models import Approval, SyncJob, User

State = SyncJob.State

#: The actor of the hourly sync, which other syncs may run beside, and of `manage.py sync_clerk`.
RECONCILE, COMMAND = "reconcile", "sync_clerk"
#: How long the figures of a dry run may be acted upon.
GOOD_FOR = timedelta(minutes=15)
CANCELED = {"state": State.CANCELED, "cancel_requested": True, "finished_at": Now()}
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


class SyncRunning(DomainError):
    """Another sync, `job`, is running or queued."""

    status = 409
    code = "sync_running"

    def __init__(self, job: SyncJob) -> None:
        super().__init__("A sync is running. Wait for its end, or cancel it.", job=describe(job))
        self.job = job


class PreviewOutdated(DomainError):
    """There is no recent dry run whose figures this could follow."""

    status = 409
    code = "no_dry_run"


def start_job(
    *,
    options: SyncOptions,
    actor: User | str,
    background: bool,
    job_id: uuid.UUID | None = None,
    allowance: int = 0,
    approval: Approval | None = None,
) -> SyncJob:
    """A new job, on the queue when it is to run in the background. It may move `allowance` credits
    by setting plan credits."""
    job = SyncJob.objects.create(
        pk=job_id or uuid.uuid4(),
        options=asdict(options),
        actor=str(actor),
        started_by=actor if isinstance(actor, User) else None,
        counts=dict.fromkeys(COUNTS, 0),
        allowance=allowance,
        approval=approval,
    )
    if background:
        sync_later(job.pk)
    return job


def sync_later(job_id: uuid.UUID) -> None:
    """Has a worker take up this job, if the caller's transaction commits."""
    app.configure_task("clerk.sync", queue="default").defer(job_id=str(job_id))


def syncs() -> QuerySet[SyncJob]:
    """Every sync that somebody started, newest first."""
    return SyncJob.objects.exclude(actor=RECONCILE)


def current_sync() -> SyncJob | None:
    """The sync that is running or queued."""
    return syncs().filter(state__in=[State.QUEUED, State.RUNNING]).first()


def start_sync(
    *, actor: User | None, options: SyncOptions, background: bool, job_id: uuid.UUID | None = None
) -> SyncJob:
    """A new sync, or the one of `job_id`; `actor` None is the command. Raises SyncRunning, and
    ApprovalPending or SecondAdminNeeded when it sets plan credits of more than one may move."""
    return _start_sync(
        actor=actor,
        options=asdict(options),
        background=background,
        job_id=str(job_id) if job_id else None,
        reason=options.reason,
    )


# Who approves it does not wait for its end.
@asks(Kind.SYNC, pin=lambda *_: {"background": True})
def _start_sync(
    *,
    actor: User | None,
    options: dict[str, Any],
    background: bool,
    job_id: str | None,
    reason: str,
) -> SyncJob:
    with connection.cursor() as cursor:  # Two who start at once: the second sees the first.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('clerk.sync', 4))")
    if job_id and (known := SyncJob.objects.filter(pk=job_id).first()):
        return known
    if running := current_sync():
        raise SyncRunning(running)
    wanted = SyncOptions(**options)
    change = audit.movement.get()
    assert change
    most = most_credits_set(wanted)
    change.credits += most
    job = start_job(
        options=wanted,
        actor=actor or COMMAND,
        background=background,
        job_id=uuid.UUID(job_id) if job_id else None,
        allowance=allowance_of(wanted, change, most),
        approval=change.approval,
    )
    audit.record(
        actor=actor,
        action="sync.preview" if wanted.dry_run else "sync.start",
        target=f"sync {job.pk}",
        after=contract_of(wanted),
        reason=reason,
    )
    return job


def run_of(preview: SyncJob) -> uuid.UUID:
    """The id of the one run that follows this dry run, however often it is confirmed."""
    return uuid.uuid5(preview.pk, "run")


def may_follow(preview: SyncJob) -> bool:
    """Whether the figures of this dry run are complete and new enough to act upon."""
    whole = preview.options.get("dry_run") and preview.state == State.DONE
    return bool(whole and preview.finished_at and timezone.now() - preview.finished_at <= GOOD_FOR)


def follow_preview(*, actor: User, preview: SyncJob) -> SyncJob:
    """Does in the background what the dry run counted. Raises SyncRunning, PreviewOutdated."""
    if known := SyncJob.objects.filter(pk=run_of(preview)).first():
        return known
    if not may_follow(preview):
        raise PreviewOutdated("These figures are too old. Look at new ones first.")
    options = replace(SyncOptions(**preview.options), dry_run=False)
    return start_sync(actor=actor, options=options, background=True, job_id=run_of(preview))


def cancel_job(job_id: uuid.UUID) -> bool:
    """Asks a job to stop after its page; a queued one ends at once. False if it had ended."""
    queued = SyncJob.objects.filter(pk=job_id, state=State.QUEUED)
    if queued.update(**CANCELED):
        return True
    running = SyncJob.objects.filter(pk=job_id, state=State.RUNNING)
    return bool(running.update(cancel_requested=True))


@transaction.atomic
def cancel_sync(*, actor: User, job_id: uuid.UUID) -> bool:
    """Stops a sync after its page, or at once if queued or stalled. False if it had ended."""
    job = SyncJob.objects.select_for_update().get(pk=job_id)
    if is_stalled(job):
        canceled = bool(SyncJob.objects.filter(pk=job_id).update(**CANCELED))
    else:
        canceled = not job.cancel_requested and cancel_job(job_id)
    if canceled:
        how_far = {"state": job.state, "processed": job.processed, "total": job.total}
        audit.record(actor=actor, action="sync.cancel", target=f"sync {job_id}", before=how_far)
    return canceled


def describe(job: SyncJob) -> dict[str, Any]:
    """Progress for people and programs: rate in rows a second, time left in seconds."""
    end = job.finished_at or datetime.now(UTC)
    seconds = (end - job.started_at).total_seconds() if job.started_at else 0.0
    rate = job.processed / seconds if seconds else 0.0
    left = max(job.total - job.processed, 0)
    names = ("state", "phase", "processed", "total", "counts", "failed", "failures", "changes")
    return {
        "id": str(job.pk),
        **{name: getattr(job, name) for name in names},
        "rate": round(rate, 1),
        "secondsLeft": round(left / rate) if job.state == State.RUNNING and rate else None,
        "error": job.error or None,
    }


def is_stalled(job: SyncJob) -> bool:
    return SyncJob.stalled().filter(pk=job.pk).exists()
