"""Whether everything that ought to run runs: the worker, its queue, the inbox, the ledger's proof,
the rollup, and the features in the database."""

from datetime import date, timedelta
from typing import NamedTuple

from django.db import connection
from django.urls import reverse
from django.utils import timezone

from credits.integrity.features import Mapping, check_features
from credits.integrity.run import last_check
from credits.models.rollup import LedgerCheck
from credits.reports.rollup import BEGINNING, open_since
from credits.reports.totals import get_totals

#: Seconds without a heartbeat after which a worker counts as dead; it sends one every 10.
SILENT = 60
#: Seconds after which work that waits, or a webhook that was not processed, is a sign of trouble.
LATE = 120
#: A proof of the ledger that is older (seconds) is no longer a proof of today.
STALE = 6 * 3600
OK, WARN, BAD = "ok", "warn", "bad"


class Sign(NamedTuple):
    """Whether a part of the system works, in words. `state` is a class of the stylesheet."""

    label: str
    state: str
    text: str
    href: str = ""


class Health(NamedTuple):
    signs: list[Sign]
    features: list[Mapping]
    last: LedgerCheck | None
    asked: bool

    @property
    def ok(self) -> bool:
        return all(sign.state == OK for sign in self.signs)


def ago(seconds: float) -> str:
    """How long ago, or how long: `8 s`, `2 min`, `3 h`, `4 days`."""
    for size, unit in ((86400, " days"), (3600, " h"), (60, " min")):
        if seconds >= 2 * size or (seconds >= size and unit != " days"):
            return f"{int(seconds // size)}{unit}"
    return f"{max(int(seconds), 0)} s"


BRIEF = """
SELECT checked.ok, checked.age,
    (SELECT extract(epoch FROM now() - max(last_heartbeat))::float FROM procrastinate_workers)
FROM (SELECT) AS always LEFT JOIN (
    SELECT ok, extract(epoch FROM now() - started_at)::float AS age
    FROM credits_ledgercheck ORDER BY id DESC LIMIT 1) checked ON true
"""


def get_brief() -> list[Sign]:
    """What stands at the top of every admin page: one query."""
    with connection.cursor() as cursor:
        cursor.execute(BRIEF)
        ok, age, heartbeat = cursor.fetchone()
    return [_proof(ok=ok, age=age), _worker(heartbeat)]


def _proof(*, ok: bool | None, age: float | None) -> Sign:
    if ok is None or age is None:
        return Sign("Ledger", WARN, "ledger not checked yet", reverse("admin-health"))
    if not ok:
        return Sign("Ledger", BAD, "ledger has differences", reverse("admin-health"))
    state = OK if age < STALE else WARN
    return Sign("Ledger", state, f"ledger checked {ago(age)} ago", reverse("admin-health"))


def _worker(heartbeat: float | None) -> Sign:
    if heartbeat is None:
        return Sign("Worker", BAD, "no worker", reverse("admin-health"))
    if heartbeat > SILENT:
        return Sign("Worker", BAD, f"worker silent for {ago(heartbeat)}", reverse("admin-health"))
    return Sign("Worker", OK, "worker alive", reverse("admin-health"))


# Each part is answered by an index of procrastinate's, or of the inbox's, on what is open.
STATE = """
SELECT
    (SELECT extract(epoch FROM now() - max(last_heartbeat))::float FROM procrastinate_workers),
    (SELECT max(defer_timestamp) FROM procrastinate_periodic_defers
        WHERE task_name = 'credits.sweep' AND periodic_id = ''),
    (SELECT count(*) FROM procrastinate_jobs
        WHERE status = 'todo' AND coalesce(scheduled_at <= now(), true)),
    (SELECT extract(epoch FROM now() - min(coalesce(j.scheduled_at, (
            SELECT min(e.at) FROM procrastinate_events e WHERE e.job_id = j.id))))::float
        FROM procrastinate_jobs j
        WHERE j.status = 'todo' AND coalesce(j.scheduled_at <= now(), true)),
    (SELECT count(*) FROM procrastinate_jobs WHERE status = 'failed'),
    (SELECT count(*) FROM credits_webhookdelivery WHERE processed_at IS NULL),
    (SELECT extract(epoch FROM now() - min(received_at))::float
        FROM credits_webhookdelivery WHERE processed_at IS NULL),
    EXISTS (SELECT FROM procrastinate_jobs
        WHERE status = 'todo' AND queueing_lock = 'credits.check_now')
    OR EXISTS (SELECT FROM procrastinate_jobs
        WHERE status = 'doing' AND task_name IN ('credits.check_now'))
"""


class State(NamedTuple):
    """What STATE answers; ages in seconds, None where there is nothing."""

    heartbeat: float | None
    swept_at: int | None
    waiting: int
    waits: float | None
    failed: int
    unprocessed: int
    oldest: float | None
    asked: bool


def get_health() -> Health:
    """Everything, for the health card."""
    with connection.cursor() as cursor:
        cursor.execute(STATE)
        state = State(*cursor.fetchone())
    features, last = check_features(), last_check()
    ledger = get_totals("overdue_holds", "overdue_expiries")
    signs = [
        _features(features),
        _last(last),
        _worker(state.heartbeat),
        _swept(state.swept_at),
        _queue(state),
        _failed(state.failed),
        _inbox(state),
        _holds(ledger["overdue_holds"]),
        _expiries(ledger["overdue_expiries"]),
        _days(open_since()),
    ]
    return Health(signs, features, last, state.asked)


def _features(features: list[Mapping]) -> Sign:
    lost = [row.feature for row in features if not (row.in_python and row.in_database)]
    if lost:
        names = ", ".join(lost)
        return Sign("Features", BAD, f"the database would refuse {names}: migrate")
    return Sign("Features", OK, f"all {len(features)} map to their operation type")


def _last(last: LedgerCheck | None) -> Sign:
    age = (timezone.now() - last.started_at).total_seconds() if last else None
    return _proof(ok=last.ok if last else None, age=age)


def _swept(timestamp: int | None) -> Sign:
    if timestamp is None:
        return Sign("Sweeper", BAD, "never ran")
    age = timezone.now().timestamp() - timestamp
    return Sign("Sweeper", OK if age < SILENT else BAD, f"queued {ago(age)} ago")


def _queue(state: State) -> Sign:
    if not state.waiting:
        return Sign("Queue", OK, "nothing waits")
    waits = state.waits or 0
    jobs = "job waits" if state.waiting == 1 else "jobs wait"
    text = f"{state.waiting:,} {jobs}, the oldest for {ago(waits)}"
    return Sign("Queue", OK if waits < LATE else BAD, text)


def _failed(failed: int) -> Sign:
    return Sign("Failed jobs", WARN if failed else OK, f"{failed:,}")


def _inbox(state: State) -> Sign:
    if not state.unprocessed:
        return Sign("Webhooks", OK, "all processed", reverse("admin-webhooks"))
    oldest = state.oldest or 0
    text = f"{state.unprocessed:,} not processed, the oldest for {ago(oldest)}"
    href = reverse("admin-webhooks", query={"status": "open"})
    return Sign("Webhooks", OK if oldest < LATE else BAD, text, href)


def _holds(overdue: int) -> Sign:
    text = f"{overdue:,} past {'its' if overdue == 1 else 'their'} lease"
    href = reverse("admin-usage", query={"state": "overdue"})
    return Sign("Holds", WARN if overdue else OK, text, href)


def _expiries(expiries: int) -> Sign:
    text = f"{expiries:,} past {'its' if expiries == 1 else 'their'} time"
    return Sign("Grants", WARN if expiries else OK, text)


def _days(opened: date) -> Sign:
    if opened == BEGINNING:
        return Sign("Rollup", OK, "no day closed yet")
    behind = (timezone.now() - timedelta(minutes=30)).date() - opened
    closed = opened - timedelta(days=1)
    state = OK if behind <= timedelta(0) else WARN
    return Sign("Rollup", state, f"days closed up to {closed.day} {closed:%b %Y}")


def recent_checks(limit: int = 20) -> list[LedgerCheck]:
    return list(LedgerCheck.objects.order_by("-pk")[:limit])
