"""Syncs in words and numbers, for the pages."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.urls import reverse

from config.pagination import LATEST_FIRST, InvalidCursor, Page, key_of, paginate
from credits.clerk.sync.jobs import RECONCILE, describe, run_of, syncs
from credits.clerk.sync.options import SyncOptions, contract_of
from credits.models import SyncJob, User

State = SyncJob.State

#: What is counted, by its name in the contract, and what it is in a run and in a dry run.
LABELS = {
    "processed": ("Rows read at Clerk", "Rows read at Clerk"),
    "createdUsers": ("Accounts made", "Accounts to make"),
    "updatedUsers": ("Accounts brought up to date", "Accounts to bring up to date"),
    "deletedUsers": ("Accounts closed: not at Clerk", "Accounts to close: not at Clerk"),
    "createdBalances": ("Balances opened", "Balances to open"),
    "activeSubscriptions": ("Active subscriptions", "Active subscriptions"),
    "drift": ("Subscriptions that had drifted", "Subscriptions that have drifted"),
    "creditsGranted": ("Plan credits granted", "Plan credits to grant"),
    "creditsRefreshed": ("People whose plan credits were set", "People whose plan credits to set"),
    "creditsAdded": ("Credits added by that", "Credits this would add"),
    "creditsTaken": ("Credits taken by that", "Credits this would take"),
}
#: Changes: with all of these at nought there is nothing to do.
CHANGES = (
    "createdUsers", "updatedUsers", "deletedUsers", "createdBalances", "drift", "creditsRefreshed",
)  # fmt: skip
PHASES = {
    "users": "people",
    "gone": "people who were not met",
    "changed": "people who changed",
    "items:active": "active subscriptions",
    "items:past_due": "subscriptions past due",
    "items:upcoming": "upcoming subscriptions",
    "missing": "subscriptions that were not met",
    "credits": "setting plan credits",
}
#: What setting plan credits counts: its rows in the journal name their sync, and this is how
#: `/admin/usage` is asked for them. What else a sync did keeps no name of it: a webhook may have
#: done the same in the same minute.
ROWS: dict[str, dict[str, str]] = {
    "creditsRefreshed": {},
    "creditsAdded": {"way": "in"},
    "creditsTaken": {"way": "out"},
}


class Line(NamedTuple):
    """A count; `foreseen` is what the dry run before it said, None when there was none; `href` are
    the rows that make it, where there are any and they can be told from others."""

    name: str
    label: str
    number: int
    foreseen: int | None
    href: str

    @property
    def differs(self) -> bool:
        return self.foreseen is not None and self.foreseen != self.number


class CreditsChange(NamedTuple):
    """Plan credits that were set, or would be; `user` is None for somebody who is not here yet."""

    who: str
    user: User | None
    before: int
    after: int

    @property
    def change(self) -> int:
        return self.after - self.before


@dataclass(frozen=True)
class Summary:
    """A sync as the pages show it; `foreseen` is the dry run that it follows."""

    job: SyncJob
    is_stalled: bool
    foreseen: SyncJob | None = None

    @property
    def is_preview(self) -> bool:
        return bool(self.job.options.get("dry_run"))

    @property
    def actor(self) -> str:
        return "our clock" if self.job.actor == RECONCILE else self.job.actor

    @property
    def state(self) -> str:
        if self.is_stalled:
            return "stalled"
        if self.job.cancel_requested and self.job.state == State.RUNNING:
            return "stopping"
        waits = self.job.state == State.QUEUED
        return "waiting" if waits else str(self.job.get_state_display()).lower()

    @property
    def tone(self) -> str:
        """The colour of its state."""
        if self.is_stalled or self.job.state == State.FAILED:
            return "bad"
        return "ok" if self.job.state in {State.DONE, State.RUNNING} else "warn"

    @property
    def phase(self) -> str:
        return PHASES.get(self.job.phase, self.job.phase)

    @property
    def progress(self) -> dict[str, Any]:
        return describe(self.job)

    @property
    def left(self) -> str:
        """`about 5 s`, `about 3 min`; empty when nobody knows."""
        seconds = self.progress["secondsLeft"]
        if seconds is None:
            return ""
        return f"about {seconds} s" if seconds < 90 else f"about {round(seconds / 60)} min"

    @property
    def lines(self) -> list[Line]:
        counts, before = self.job.counts, self.foreseen.counts if self.foreseen else None
        return [
            Line(
                name, labels[self.is_preview], counts[name],
                None if before is None else before.get(name, 0), self._rows_of(name),
            )
            for name, labels in LABELS.items()
            if name in counts and (name not in ROWS or self.job.options.get("set_credits"))
        ]  # fmt: skip

    def _rows_of(self, name: str) -> str:
        if name not in ROWS or not self.job.counts.get(name) or self.is_preview:
            return ""
        return reverse("admin-usage", query={"sync": str(self.job.pk), **ROWS[name]})

    @property
    def changes(self) -> list[CreditsChange]:
        """Whose plan credits were set: who loses first."""
        named = self.job.changes
        users = User.objects.in_bulk([change["who"] for change in named], field_name="clerk_id")
        changes = [CreditsChange(user=users.get(change["who"]), **change) for change in named]
        return sorted(changes, key=lambda change: change.change > 0)

    @property
    def changes_unnamed(self) -> int:
        """How many more there are."""
        return int(self.job.counts.get("creditsRefreshed", 0)) - len(self.job.changes)

    @property
    def set_rows(self) -> str:
        """Where the rows by which it set plan credits are."""
        return self._rows_of("creditsRefreshed")

    @property
    def changes_nothing(self) -> bool:
        return not any(line.number for line in self.lines if line.name in CHANGES)

    @property
    def options(self) -> str:
        """`people, subscriptions, plan credits set to 40, 2 pages of 100`."""
        chosen = contract_of(self.job.options)
        parts = ["people"] * bool(chosen["syncUsers"])
        parts += ["subscriptions"] * bool(chosen["syncPlans"])
        if chosen["setCredits"]:
            amount = chosen["overrideCredits"]
            parts.append(f"plan credits set to {'their plan' if amount is None else f'{amount:,}'}")
        if chosen["maxPages"]:
            parts.append(f"{chosen['maxPages']:,} pages of {chosen['pageSize']:,}")
        elif chosen["pageSize"] not in {None, SyncOptions.page_size}:
            parts.append(f"pages of {chosen['pageSize']:,}")
        return ", ".join(parts)


def preview_of(job: SyncJob) -> SyncJob | None:
    """The dry run that this run follows."""
    lately = SyncJob.objects.filter(created_at__lte=job.created_at, options__dry_run=True)
    return next((preview for preview in lately[:20] if run_of(preview) == job.pk), None)


def get_page(*, hourly: bool, cursor: str) -> Page[Summary]:
    """A page of syncs, newest first: the first one if there is no such cursor."""
    try:
        older_than = key_of(cursor, datetime, UUID)
    except InvalidCursor:
        older_than = None
    jobs = SyncJob.objects.all() if hourly else syncs()
    page = paginate(jobs, size=25, order=LATEST_FIRST, older_than=older_than, onwards_only=True)
    lost = set(SyncJob.stalled().values_list("pk", flat=True))
    return page.map(lambda rows: [Summary(job, job.pk in lost) for job in rows])
