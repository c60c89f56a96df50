"""Whether everything that ought to run runs: the worker, its queue, the inbox, the ledger's proof,
the rollup, the features in the database, and the models' providers."""

from datetime import date, timedelta
from typing import NamedTuple

from django.db import connection
from django.urls import reverse
from django.utils import timezone

from adminpanel.overview.failures import FAILS, PARAMETERS, Failure, detail_of, recent_failures
from ai_chat.data.jobs import ERASED_WITHIN
from credits.amounts import as_words
from credits.integrity.features import Mapping, check_features
from credits.integrity.run import LastChecks, last_checks
from credits.models.catalogue import model_label
from credits.models.rollup import LedgerCheck
from credits.reasons import words_of
from credits.reports.models import uncollected_lately
from credits.reports.rollup import BEGINNING, open_since
from credits.reports.totals import get_totals

#: Seconds without a heartbeat after which a worker counts as dead; it sends one every 10.
SILENT = 60
#: Seconds after which work that waits, or a webhook that was not processed, is a sign of trouble.
LATE = 120
#: A proof of the ledger, or one of the whole ledger, that is older (seconds) says too little.
STALE = 6 * 3600
WHOLE_STALE = 2 * 86400
#: Requests to /v1 within two days that are worth a look: refused ones, and streams that broke off.
MANY_REFUSED = 1000
MANY_BROKEN = 100
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
    checks: LastChecks
    check_requested: bool
    failures: list[Failure]

    @property
    def ok(self) -> bool:
        return all(sign.state == OK for sign in self.signs)


def ago(seconds: float) -> str:
    """How long ago, or how long: `8 s`, `2 min`, `3 h`, `4 days`."""
    for size, unit in ((86400, " days"), (3600, " h"), (60, " min")):
        if seconds >= 2 * size or (seconds >= size and unit != " days"):
            return f"{int(seconds // size)}{unit}"
    return f"{max(int(seconds), 0)} s"


BRIEF = f"""
SELECT changed.ok, changed.age, whole.ok, whole.age,
    (SELECT extract(epoch FROM now() - max(last_heartbeat))::float FROM procrastinate_workers),
    (SELECT count(DISTINCT share_id) FROM ai_chat_sharereport WHERE closed_at IS NULL),
    failing.label, failing.reason, failing.status, failing.code, failing.age
FROM (SELECT) AS always LEFT JOIN (
    SELECT ok, extract(epoch FROM now() - started_at)::float AS age
    FROM credits_ledgercheck WHERE NOT whole ORDER BY id DESC LIMIT 1) changed ON true
LEFT JOIN (
    SELECT ok, extract(epoch FROM now() - started_at)::float AS age
    FROM credits_ledgercheck WHERE whole ORDER BY id DESC LIMIT 1) whole ON true
LEFT JOIN (
    SELECT m.label, f.reason, f.status, f.code, extract(epoch FROM now() - f.since)::float AS age
    FROM ai_chat_providerfailure f JOIN credits_aimodel m ON m.name = f.model
    WHERE {FAILS} ORDER BY f.since LIMIT 1) failing ON true
"""  # noqa: S608 -- ours


def get_brief() -> list[Sign]:
    """What stands at the top of every admin page: one query."""
    with connection.cursor() as cursor:
        cursor.execute(BRIEF, PARAMETERS)
        ok, age, whole_ok, whole_age, heartbeat, reported, *failing = cursor.fetchone()
    href = reverse("admin-health")
    proof = Sign("Ledger", *_proof(Proof(ok, age), Proof(whole_ok, whole_age)), href)
    label, reason, status, code, since = failing
    signs = [proof, Sign("Worker", *_worker(heartbeat), href)]
    if reported:
        text = f"{reported:,} shared chat{'s' if reported != 1 else ''} reported"
        signs.append(Sign("Shared chats", WARN, text, reverse("admin-shares")))
    if label is None:
        return signs
    return [Sign("Models", BAD, _failing(label, reason, status, code, since), href), *signs]


def _failing(label: str, reason: str, status: int | None, code: str, since: float) -> str:
    why = detail_of(status, code) or words_of(reason)
    return f"{label} has failed for {ago(since)}: {why}"


def _models(failures: list[Failure]) -> tuple[str, str]:
    labels = dict.fromkeys(each.model for each in failures if each.fails)
    fail = "fails" if len(labels) == 1 else "fail"
    return (BAD, f"{', '.join(labels)} {fail}") if labels else (OK, "none fails")


def _refused(guesses: int, limited: int, broken: int) -> tuple[str, str]:
    """Whether somebody tries keys, or more than is allowed, or has answers break off, which are
    free: since yesterday."""
    many = guesses >= MANY_REFUSED or limited >= MANY_REFUSED or broken >= MANY_BROKEN
    text = f"{guesses:,} without a key, {limited:,} too many, {broken:,} broke off"
    return WARN if many else OK, f"{text} since yesterday"


def _uncollected() -> tuple[str, str]:
    """Whether uses of the last day cost more than was reserved for them: the operator's loss."""
    models = uncollected_lately(timedelta(days=1))
    if not models:
        return OK, "all collected in 24 h"
    lost, times = sum(each.pico for each in models), sum(each.uses for each in models)
    labels = ", ".join(model_label(each.model) for each in models)
    uses = "use" if times == 1 else "uses"
    return BAD, f"{as_words(lost)} credits of {times:,} {uses} not collected in 24 h: {labels}"


class Proof(NamedTuple):
    """What a check of the ledger came to, and how many seconds ago; None without one."""

    ok: bool | None
    age: float | None


def _proof(changed: Proof, whole: Proof) -> tuple[str, str]:
    """Of the newest check of what changed and of the newest of the whole ledger: a whole one
    settles what was found before it, one of what changed does not."""
    if whole.age is None:
        return WARN, "ledger not checked yet"
    newest = changed if changed.age is not None and changed.age < whole.age else whole
    if not (whole.ok and newest.ok):
        return BAD, "ledger has differences"
    age = newest.age or 0
    text = f"ledger checked {ago(age)} ago"
    if newest is changed:
        text = f"{text}, the whole {ago(whole.age)} ago"
    return OK if age < STALE and whole.age < WHOLE_STALE else WARN, text


def _worker(heartbeat: float | None) -> tuple[str, str]:
    if heartbeat is None:
        return BAD, "no worker"
    if heartbeat > SILENT:
        return BAD, f"worker silent for {ago(heartbeat)}"
    return OK, "worker alive"


# Each part is answered by an index of procrastinate's, or of the inbox's
# or the jobs', on what is open.
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
    (SELECT count(*) FROM ai_chat_datajob
        WHERE kind = 'erasure' AND state IN ('queued', 'running')),
    (SELECT extract(epoch FROM now() - min(created_at))::float FROM ai_chat_datajob
        WHERE kind = 'erasure' AND state IN ('queued', 'running')),
    EXISTS (SELECT FROM procrastinate_jobs
        WHERE status = 'todo' AND queueing_lock = 'credits.check_now')
    OR EXISTS (SELECT FROM procrastinate_jobs
        WHERE status = 'doing' AND task_name IN ('credits.check_now')),
    requests.*
FROM (
    SELECT coalesce(sum(count) FILTER (WHERE status = 401), 0)::bigint,
        coalesce(sum(count) FILTER (WHERE status = 429), 0)::bigint,
        coalesce(sum(count) FILTER (WHERE code = 'broke_off'), 0)::bigint
    FROM ai_chat_apicount WHERE day >= (now() AT TIME ZONE 'UTC')::date - 1
) requests
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
    erasures: int
    erasing: float | None
    check_requested: bool
    #: Requests to /v1 since yesterday: without a valid key, too many, broke off.
    guesses: int
    limited: int
    broken: int


def get_health() -> Health:
    """Everything, for the health card."""
    with connection.cursor() as cursor:
        cursor.execute(STATE)
        state = State(*cursor.fetchone())
    features, failures = check_features(), recent_failures()
    holds, grants = get_totals("overdue_holds", "overdue_expiries").values()
    checks = last_checks()
    here, overdue = reverse("admin-health"), reverse("admin-usage", query={"state": "overdue"})
    signs = [
        Sign("Features", *_features(features)),
        Sign("Ledger", *_proof(*map(_proof_by, checks)), here),
        Sign("Models", *_models(failures), here),
        Sign(
            "API calls",
            *_refused(state.guesses, state.limited, state.broken),
            reverse("admin-usage-keys"),
        ),
        Sign("Token costs", *_uncollected(), reverse("admin-usage-models")),
        Sign("Worker", *_worker(state.heartbeat), here),
        Sign("Sweeper", *_swept(state.swept_at)),
        Sign("Queue", *_queue(state)),
        Sign("Failed jobs", WARN if state.failed else OK, f"{state.failed:,}"),
        _inbox(state),
        Sign("Holds", *_overdue(holds, "lease"), overdue),
        Sign("Grants", *_overdue(grants, "time")),
        Sign("Rollup", *_days(open_since())),
        Sign("Erasures", *_erasures(state)),
    ]
    return Health(signs, features, checks, state.check_requested, failures)


def _proof_by(kept: LedgerCheck | None) -> Proof:
    if kept is None:
        return Proof(None, None)
    return Proof(kept.ok, (timezone.now() - kept.started_at).total_seconds())


def _features(features: list[Mapping]) -> tuple[str, str]:
    lost = [each.feature for each in features if not (each.in_python and each.in_database)]
    if lost:
        return BAD, f"the database would refuse {', '.join(lost)}: migrate"
    return OK, f"all {len(features)} map to their operation type"


def _swept(timestamp: int | None) -> tuple[str, str]:
    if timestamp is None:
        return BAD, "never ran"
    age = timezone.now().timestamp() - timestamp
    return OK if age < SILENT else BAD, f"queued {ago(age)} ago"


def _queue(state: State) -> tuple[str, str]:
    if not state.waiting:
        return OK, "nothing waits"
    waits = state.waits or 0
    jobs = "job waits" if state.waiting == 1 else "jobs wait"
    text = f"{state.waiting:,} {jobs}, the oldest for {ago(waits)}"
    return OK if waits < LATE else BAD, text


def _inbox(state: State) -> Sign:
    if not state.unprocessed:
        return Sign("Webhooks", OK, "all processed", reverse("admin-webhooks"))
    oldest = state.oldest or 0
    text = f"{state.unprocessed:,} not processed, the oldest for {ago(oldest)}"
    href = reverse("admin-webhooks", query={"status": "open"})
    return Sign("Webhooks", OK if oldest < LATE else BAD, text, href)


def _overdue(count: int, end: str) -> tuple[str, str]:
    return WARN if count else OK, f"{count:,} past {'its' if count == 1 else 'their'} {end}"


def _erasures(state: State) -> tuple[str, str]:
    """Whether the content of closed accounts goes in time. One that has not ended after an hour
    fails at something: the log says at what."""
    if not state.erasures:
        return OK, "none is open"
    age = state.erasing or 0
    text = f"{state.erasures:,} open, the oldest for {ago(age)}"
    if age > ERASED_WITHIN.total_seconds():
        return BAD, text
    return (WARN if age > 3600 else OK), text


def _days(opened: date) -> tuple[str, str]:
    if opened == BEGINNING:
        return OK, "no day closed yet"
    behind = (timezone.now() - timedelta(minutes=30)).date() - opened
    closed = opened - timedelta(days=1)
    state = OK if behind <= timedelta(0) else WARN
    return state, f"days closed up to {closed.day} {closed:%b %Y}"
