"""Reading Clerk's present state through the same projection as its webhooks: this repairs what lost
events left out, and running it twice changes nothing. Memory holds a page at a time."""

import logging
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.utils import timezone

from config.errors import error_text
from credits.audit import Movement, moving
from credits.clerk import conf
from credits.clerk.billing.projection import milliseconds
from credits.clerk.billing.releases import release_due
from credits.clerk.billing.subscriptions import apply_item
from credits.clerk.client import ClerkClient
from credits.clerk.identity import upsert_person
from credits.clerk.parsing import Payer, parse_person
from credits.clerk.sync import users
from credits.clerk.sync.items import find_missing_items, items_phase, version_of
from credits.clerk.sync.jobs import RECONCILE, start_job
from credits.clerk.sync.options import SyncOptions
from credits.clerk.sync.progress import Cancelled, Progress
from credits.clerk.sync.set_credits import set_credits
from credits.models import SyncJob
from credits.models.background import TakenOver

logger = logging.getLogger(__name__)
State = SyncJob.State

#: Statuses by which Clerk lists items that are alive; `active` includes what is canceled.
LISTED = ("active", "past_due", "upcoming")
#: How far two reconciles overlap, so that no change falls between them.
OVERLAP = timedelta(minutes=10)
#: For how long a reconcile that read everybody, and free items too, is enough.
WHOLE_EVERY = timedelta(hours=23)


def run_sync(job_id: uuid.UUID | str, *, watch: Callable[[SyncJob], object] | None = None) -> None:
    """Runs a job from where it stopped, until its end or a cancel; `watch` after each page."""
    progress = Progress.claim(job_id)
    if progress is None:
        return
    progress.watch = watch
    try:
        change = Movement(progress.job.started_by, progress.job.approval)
        with ClerkClient(sleep=progress.wait) as client, moving(change):
            _run(progress, client)
    except Cancelled:
        progress.finish(State.CANCELED)
    except TakenOver:
        logger.warning("Sync %s goes on in another process", job_id)
    except KeyboardInterrupt:
        progress.finish(State.CANCELED)
        raise
    except Exception as error:
        # Unexpected errors too: otherwise the job would be taken up again for ever.
        logger.exception("Sync %s failed", job_id)
        progress.finish(State.FAILED, error_text(error))
    else:
        progress.finish(State.DONE)
        _report_drift(progress.job)


def _run(progress: Progress, client: ClerkClient) -> None:
    options = progress.options
    if options.dry_run:
        progress.begin_again()  # An earlier worker's preview is lost.
    # Credits are set of people whose subscription this sync has read.
    reads_items = options.sync_plans or options.set_credits
    phases: list[tuple[str, bool, Callable[[Progress, ClerkClient], None]]] = [
        ("users", options.sync_users, users.sync_users),
        ("gone", options.sync_users, users.find_deleted),
        ("changed", options.changed_since is not None, users.sync_changed_users),
        ("left", options.changed_since is not None, users.find_deleted_if_fewer),
        *((f"items:{status}", reads_items, items_phase(status)) for status in LISTED),
        ("missing", reads_items, find_missing_items),
        ("credits", options.set_credits, set_credits),
    ]
    names = [name for name, wanted, _ in phases if wanted]
    done = names.index(progress.job.phase) if progress.job.phase in names else 0
    for name, wanted, phase in phases:
        if wanted and names.index(name) >= done:
            phase(progress, client)
    if options.sync_plans and not options.dry_run:
        release_due(report=progress.fail, heartbeat=progress.heartbeat)


def _report_drift(job: SyncJob) -> None:
    if drift := job.counts.get("drift"):
        logger.warning("Sync %s: %d subscription items had drifted from Clerk", job.pk, drift)
    people = sum(job.counts.get(name, 0) for name in ("updatedUsers", "deletedUsers"))
    if people and job.actor == RECONCILE:
        logger.warning("Sync %s: %d people had changed without an event", job.pk, people)


def pull(clerk_id: str) -> None:
    """Reads one user and their subscription: after a payment, a first sign-in, a checkout."""
    with ClerkClient() as client:
        upsert_person(parse_person(client.user(clerk_id)))
        payer = Payer.of_user(clerk_id)
        for data in client.subscription_items(clerk_id):
            apply_item(version_of(data, payer))


def reconcile() -> SyncJob | None:
    """The hourly sync: paid items, users who changed since the last one, and users who were deleted
    if there are fewer at Clerk than here; once a day everybody and everything."""
    if not conf.has_backend():
        release_due()
        return None
    job = start_job(options=_reconcile_options(), actor=RECONCILE, background=False)
    run_sync(job.pk)
    job.refresh_from_db()
    return job


def _reconcile_options() -> SyncOptions:
    done = SyncJob.objects.filter(actor=RECONCILE, state=State.DONE).exclude(started_at=None)
    whole = done.filter(options__sync_users=True, started_at__gt=timezone.now() - WHOLE_EVERY)
    if not whole.exists():
        return SyncOptions()
    last = done.latest("started_at").started_at or timezone.now()
    since = milliseconds(last - OVERLAP)
    return SyncOptions(sync_users=False, include_free=False, changed_since=since)


def result_of(job: SyncJob) -> dict[str, Any]:
    """The figures of the contract."""
    return {**job.counts, "failed": job.failed}
