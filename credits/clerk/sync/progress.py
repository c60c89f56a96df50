"""A sync job while this process works on it: claim, counts, heartbeat, dry run."""

import logging
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction

from config.errors import error_text
from credits.clerk.billing.projection import ItemState, merge_item
from credits.clerk.billing.subscriptions import state_of
from credits.clerk.parsing import ItemVersion
from credits.clerk.sync.jobs import COUNTS
from credits.clerk.sync.options import SyncOptions
from credits.models import SubscriptionItem, SyncJob
from credits.models.background import TakenOver

logger = logging.getLogger(__name__)
State = SyncJob.State

#: Seconds after which rows that save nothing send a heartbeat.
BEAT = 15
FAILURES_NAMED = 50
#: People whose plan credits were set are named up to so many who gain, and so many who lose.
CHANGES_NAMED = 50
#: Counted of every row, changed or not: these are saved with its page.
SEEN = ("processed", "activeSubscriptions")


class Cancelled(Exception):
    """Somebody cancelled the job."""


class Preview:
    """The items that a dry run would change. Each row is rolled back before the next, so their
    states are kept here; memory grows with the items that drifted, not with all items."""

    def __init__(self) -> None:
        self._states: dict[str, ItemState] = {}
        #: By user.
        self.versions: dict[str, list[ItemVersion]] = {}

    def knows(self, version: ItemVersion) -> bool:
        """Whether a real run would have stored this version by now."""
        state = self._states.get(version.item_id)
        return state is not None and merge_item(state, version) == state

    def note(self, item: SubscriptionItem | None, version: ItemVersion) -> None:
        """A version that a real run would store here."""
        stored = state_of(item) if item else ItemState()
        state = self._states.get(version.item_id, stored)
        self._states[version.item_id] = merge_item(state, version)
        if version.payer.is_user:
            self.versions.setdefault(version.payer.id, []).append(version)


class Progress:
    """A job that this process works on. Saving raises Cancelled or TakenOver."""

    def __init__(self, job: SyncJob) -> None:
        self.job = job
        self.options = SyncOptions(**job.options)
        self.watch: Callable[[SyncJob], object] | None = None
        self._beat_at = time.monotonic()
        self._seen = self._counts_of_seen()
        self.preview = Preview() if self.options.dry_run else None

    @classmethod
    def claim(cls, job_id: uuid.UUID | str) -> "Progress | None":
        """Takes a job that no process works on; None when it ended or another process does."""
        job = SyncJob.claim(job_id)
        return cls(job) if job else None

    def begin_again(self) -> None:
        """From the first page, as if nothing had been counted."""
        job = self.job
        job.phase, job.cursor, job.counts = "", {}, dict.fromkeys(COUNTS, 0)
        job.processed, job.total, job.failed, job.failures, job.changes = 0, 0, 0, [], []

    def count(self, name: str, by: int = 1) -> None:
        self.job.counts[name] = self.job.counts.get(name, 0) + by

    def fail(self, who: str, error: Exception) -> None:
        """One row failed; the first are named."""
        self.job.failed += 1
        if len(self.job.failures) < FAILURES_NAMED:
            text = error_text(error)[:300]
            self.job.failures.append({"who": who, "error": text})

    def name_change(self, who: str, *, before: int, after: int) -> None:
        """Somebody's plan credits were set; the first who gain, and who lose, are named."""
        alike = [c for c in self.job.changes if (c["after"] > c["before"]) == (after > before)]
        if len(alike) < CHANGES_NAMED:
            changed = {"who": who, "before": before, "after": after}
            self.job.changes = [*self.job.changes, changed]

    def enter(self, phase: str, total: int) -> None:
        """A new phase begins, unless the job is in it since before a restart."""
        if self.job.phase != phase:
            self.job.phase, self.job.cursor = phase, {}
            self.job.total = self.job.processed + total

    @contextmanager
    def row(self, who: str) -> Iterator[None]:
        """One row in a transaction of its own, with what it counts: it fails alone, and is taken
        back in a dry run. Raises Cancelled, TakenOver."""
        before, changes = dict(self.job.counts), self.job.changes
        if time.monotonic() - self._beat_at > BEAT:  # Rows of a dry run save nothing.
            self.heartbeat()
        try:
            with transaction.atomic():
                yield
                if self.options.dry_run:
                    transaction.set_rollback(True)
                elif self.job.counts != before:
                    # In the row's own transaction: counted once, also when this process is killed
                    # within the page. TakenOver takes the row back.
                    counts = {**self.job.counts, **self._seen}
                    self.job.keep(counts=counts, changes=self.job.changes)
        except (Cancelled, TakenOver):
            raise
        except Exception as error:
            logger.exception("Sync of %s failed", who)
            self.job.counts, self.job.changes = before, changes
            self.fail(who, error)

    def heartbeat(self, **values: Any) -> None:
        """Shows that this process still works on the job, and saves these columns. Raises
        Cancelled, TakenOver."""
        self._beat_at = time.monotonic()
        self.job.keep(**values)
        if SyncJob.objects.filter(pk=self.job.pk, cancel_requested=True).exists():
            raise Cancelled(str(self.job.pk))

    def wait(self, seconds: float) -> None:
        """Waits before the next request to Clerk. Raises Cancelled, TakenOver."""
        self.heartbeat()
        time.sleep(seconds)

    def _counts_of_seen(self) -> dict[str, int]:
        return {name: self.job.counts.get(name, 0) for name in SEEN}

    def save(self, *, processed: int = 0, cursor: dict[str, Any] | None = None) -> None:
        job = self.job
        job.processed += processed
        job.total = max(job.total, job.processed)
        if cursor is not None:
            job.cursor = cursor
        names = (
            "phase", "processed", "total", "counts", "failed", "failures", "changes", "cursor",
        )  # fmt: skip
        self.heartbeat(**{name: getattr(job, name) for name in names})
        self._seen = self._counts_of_seen()
        if self.watch:
            self.watch(job)

    def finish(self, state: str, error: str = "") -> None:
        names = ("counts", "failed", "failures", "changes")
        kept = {name: getattr(self.job, name) for name in names}
        self.job.finish(state, error, **kept)
        self.job.refresh_from_db()
