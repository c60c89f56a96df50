"""Syncs that somebody starts or stops, by page, API or command: one at a time, once however often a
button is pressed, and each with an audit entry."""

import uuid
from dataclasses import replace
from datetime import timedelta

from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from config.errors import DomainError
from credits import audit
from credits.clerk.sync.jobs import cancel_job, describe, stalled, start_job
from credits.clerk.sync.options import SyncOptions, contract_of
from credits.models import SyncJob, User

State = SyncJob.State

#: The actor of the hourly sync. Nobody waits for it, and other syncs start beside it.
RECONCILE = "reconcile"
#: The actor of `manage.py sync_clerk`.
COMMAND = "sync_clerk"
#: How long the figures of a dry run may be acted upon.
GOOD_FOR = timedelta(minutes=15)


class SyncRunning(DomainError):
    """Another sync is being worked on, or waits to be: `job`."""

    status = 409
    code = "sync_running"

    def __init__(self, job: SyncJob) -> None:
        super().__init__("A sync is running. Wait for its end, or cancel it.", job=describe(job))
        self.job = job


class PreviewOutdated(DomainError):
    """There is no dry run of late whose figures this could follow."""

    status = 409
    code = "no_dry_run"


def syncs() -> QuerySet[SyncJob]:
    """Every sync that somebody asked for, newest first."""
    return SyncJob.objects.exclude(actor=RECONCILE)


def current_sync() -> SyncJob | None:
    """The sync that is running or waits to."""
    return syncs().filter(state__in=[State.QUEUED, State.RUNNING]).first()


@transaction.atomic
def start_sync(
    *, actor: User | None, options: SyncOptions, background: bool, job_id: uuid.UUID | None = None
) -> SyncJob:
    """A new sync, or the one that this `job_id` named before; without an actor, the command's.
    Raises SyncRunning."""
    with connection.cursor() as cursor:  # Two who start at once: the second sees the first.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('clerk.sync', 4))")
    known = SyncJob.objects.filter(pk=job_id).first() if job_id else None
    if known:
        return known
    running = current_sync()
    if running:
        raise SyncRunning(running)
    name = str(actor or COMMAND)
    job = start_job(options=options, actor=name, background=background, job_id=job_id)
    audit.record(
        actor=actor,
        action="sync.preview" if options.dry_run else "sync.start",
        target=f"sync {job.pk}",
        after=contract_of(options),
        reason=options.reason,
    )
    return job


def run_of(preview: SyncJob) -> uuid.UUID:
    """The id of the run that follows this dry run: there is one, however often it is confirmed."""
    return uuid.uuid5(preview.pk, "run")


def may_follow(preview: SyncJob) -> bool:
    """Whether the figures of this dry run are whole and new enough to act upon."""
    whole = preview.options.get("dry_run") and preview.state == State.DONE
    return bool(whole and preview.finished_at and timezone.now() - preview.finished_at <= GOOD_FOR)


def follow_preview(*, actor: User, preview: SyncJob) -> SyncJob:
    """Does in the background what the dry run counted. Raises SyncRunning, PreviewOutdated."""
    known = SyncJob.objects.filter(pk=run_of(preview)).first()
    if known:
        return known
    if not may_follow(preview):
        raise PreviewOutdated("These figures are too old. Look at new ones first.")
    options = replace(SyncOptions(**preview.options), dry_run=False)
    return start_sync(actor=actor, options=options, background=True, job_id=run_of(preview))


def is_stalled(job: SyncJob) -> bool:
    """Whether its worker has sent no heartbeat for too long."""
    return stalled().filter(pk=job.pk).exists()


@transaction.atomic
def cancel_sync(*, actor: User, job_id: uuid.UUID) -> bool:
    """Stops a sync after its page; at once when it waits, or when its worker is gone. False if it
    had ended, or was asked to stop before."""
    job = SyncJob.objects.select_for_update().get(pk=job_id)
    if is_stalled(job):
        gone = SyncJob.objects.filter(pk=job_id)
        asked = bool(gone.update(state=State.CANCELED, cancel_requested=True, finished_at=Now()))
    else:
        asked = not job.cancel_requested and cancel_job(job_id)
    if asked:
        how_far = {"state": job.state, "processed": job.processed, "total": job.total}
        audit.record(actor=actor, action="sync.cancel", target=f"sync {job_id}", before=how_far)
    return asked
