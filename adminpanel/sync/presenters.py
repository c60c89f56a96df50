"""Syncs in words and numbers, for the pages."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.urls import reverse

from config.pagination import InvalidCursor, Page, key_of, paginate
from credits.clerk.sync.jobs import describe, stalled
from credits.clerk.sync.manual import RECONCILE, run_of
from credits.clerk.sync.options import SyncOptions, contract_of
from credits.models import SyncJob

State = SyncJob.State
PAGE = 25
ORDER = ("-created_at", "-pk")

#: What is counted, by its name in the contract, and what it is in a run and in a dry run.
LINES = [
    ("processed", "Rows read at Clerk", "Rows read at Clerk"),
    ("createdUsers", "Accounts made", "Accounts to make"),
    ("updatedUsers", "Accounts brought up to date", "Accounts to bring up to date"),
    ("deletedUsers", "Accounts closed: not at Clerk", "Accounts to close: not at Clerk"),
    ("createdBalances", "Balances opened", "Balances to open"),
    ("activeSubscriptions", "Active subscriptions", "Active subscriptions"),
    ("drift", "Subscriptions that had drifted", "Subscriptions that have drifted"),
    ("creditsGranted", "Plan credits granted", "Plan credits to grant"),
    ("creditsRefreshed", "Balances set", "Balances to set"),
    ("creditsAdded", "Credits added by that", "Credits that adds"),
    ("creditsTaken", "Credits taken by that", "Credits that takes"),
]
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
    "credits": "setting balances",
}


#: Figures whose rows the journal names by their sync, and how `/admin/usage` is asked for them.
#: What else a sync did keeps no name of it: a webhook may have done the same in the same minute.
ROWS: dict[str, dict[str, str]] = {
    "creditsRefreshed": {},
    "creditsAdded": {"way": "in"},
    "creditsTaken": {"way": "out"},
}


class Line(NamedTuple):
    """A figure; `foreseen` is what the dry run before it said, None when there was none; `href` are
    the rows that make it, where there are any and they can be told from others."""

    name: str
    label: str
    number: int
    foreseen: int | None
    href: str

    @property
    def differs(self) -> bool:
        return self.foreseen is not None and self.foreseen != self.number


@dataclass(frozen=True)
class Told:
    """A sync as the pages show it."""

    job: SyncJob
    is_preview: bool
    is_over: bool
    is_stalled: bool
    state: str
    phase: str
    percent: int
    rate: float
    left: str
    lines: list[Line]
    options: str

    @property
    def changes_nothing(self) -> bool:
        return not any(line.number for line in self.lines if line.name in CHANGES)

    @property
    def set_rows(self) -> str:
        """Where the balances that it set are."""
        return _rows_of(self.job, "creditsRefreshed")

    @property
    def by_clock(self) -> bool:
        return self.job.actor == RECONCILE

    @property
    def tone(self) -> str:
        """The colour of its state."""
        if self.is_stalled or self.job.state == State.FAILED:
            return "bad"
        return {State.DONE: "ok", State.RUNNING: "ok"}.get(State(self.job.state), "warn")


def tell(job: SyncJob, *, foreseen: SyncJob | None = None, lost: bool | None = None) -> Told:
    """A sync in words; `foreseen` is the dry run that it follows, `lost` whether its worker is
    gone, if that is known."""
    is_stalled = stalled().filter(pk=job.pk).exists() if lost is None else lost
    now = describe(job)
    return Told(
        job=job,
        is_preview=bool(job.options.get("dry_run")),
        is_over=job.finished_at is not None,
        is_stalled=is_stalled,
        state=_state(job, is_stalled=is_stalled),
        phase=PHASES.get(job.phase, job.phase),
        percent=100 * job.processed // job.total if job.total else 0,
        rate=now["rate"],
        left=duration(now["secondsLeft"]),
        lines=_lines(job, foreseen),
        options=in_words(job.options),
    )


def _state(job: SyncJob, *, is_stalled: bool) -> str:
    if is_stalled:
        return "stalled"
    if job.cancel_requested and job.state == State.RUNNING:
        return "stopping"
    return "waiting" if job.state == State.QUEUED else str(job.get_state_display()).lower()


def _lines(job: SyncJob, foreseen: SyncJob | None) -> list[Line]:
    place = 2 if job.options.get("dry_run") else 1
    setting = ("creditsRefreshed", "creditsAdded", "creditsTaken")
    return [
        Line(
            line[0], line[place], job.counts.get(line[0], 0),
            foreseen.counts.get(line[0], 0) if foreseen else None, _rows_of(job, line[0]),
        )
        for line in LINES
        if line[0] in job.counts and (job.options.get("set_credits") or line[0] not in setting)
    ]  # fmt: skip


def _rows_of(job: SyncJob, name: str) -> str:
    if name not in ROWS or not job.counts.get(name) or job.options.get("dry_run"):
        return ""
    return reverse("admin-usage", query={"sync": str(job.pk), **ROWS[name]})


def duration(seconds: int | None) -> str:
    """`about 5 s`, `about 3 min`; empty when nobody knows."""
    if seconds is None:
        return ""
    return f"about {seconds} s" if seconds < 90 else f"about {round(seconds / 60)} min"


def in_words(options: dict[str, Any]) -> str:
    """`people, subscriptions, balances set to 40, 2 pages of 100`."""
    asked = contract_of(options)
    parts = ["people"] * bool(asked["syncUsers"]) + ["subscriptions"] * bool(asked["syncPlans"])
    if asked["setCredits"]:
        override = asked["overrideCredits"]
        parts.append(f"balances set to {'their plan' if override is None else f'{override:,}'}")
    if asked["maxPages"]:
        parts.append(f"{asked['maxPages']:,} pages of {asked['pageSize']:,}")
    elif asked["pageSize"] not in {None, SyncOptions.page_size}:
        parts.append(f"pages of {asked['pageSize']:,}")
    return ", ".join(parts)


def preview_of(job: SyncJob) -> SyncJob | None:
    """The dry run that this run follows."""
    lately = SyncJob.objects.filter(created_at__lte=job.created_at, options__dry_run=True)
    return next((one for one in lately[:20] if run_of(one) == job.pk), None)


def history(*, hourly: bool, cursor: str = "") -> Page[Told]:
    """A page of syncs, newest first: the first one if there is no such cursor."""
    jobs = SyncJob.objects.all() if hourly else SyncJob.objects.exclude(actor=RECONCILE)
    try:
        older_than = key_of(cursor, datetime, UUID)
    except InvalidCursor:
        older_than = None
    page = paginate(jobs, size=PAGE, order=ORDER, older_than=older_than, onwards_only=True)
    return page.map(told)


def told(jobs: Iterable[SyncJob]) -> list[Told]:
    lost = set(stalled().values_list("pk", flat=True))
    return [tell(job, lost=job.pk in lost) for job in jobs]
