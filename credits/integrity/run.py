"""Proof that the ledger's invariants hold, read from the data itself: each check is one set-based
query that names the rows which break a rule."""

import logging
from collections.abc import Mapping
from datetime import timedelta
from time import monotonic, sleep
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from credits.integrity import admins, clerk, keys, ledger, limits, packs, rollup, uses
from credits.integrity.base import ROWS, Check
from credits.integrity.scope import CHANGED, WHOLE, collect_changes, fill
from credits.models.rollup import LedgerCheck

logger = logging.getLogger(__name__)

#: Every check there is; a new one is added to the list of its module.
CHECKS: list[Check] = [
    check
    for module in (ledger, uses, limits, keys, admins, packs, rollup, clerk)
    for check in module.CHECKS
]

#: How long (past a lease, past an expiry) the sweeper may need before that is a fault.
GRACE = timedelta(minutes=5)
#: How many offenders a result names; `offences` counts them all.
OFFENDERS_NAMED = 5
#: By itself a run begins so many times the seconds later that the last one like it took: on a large
#: ledger the checks use a fiftieth of one processor, not all of it.
INTERVAL_FACTOR = 50
#: For each sort and hash of a check: a large ledger's do not fit into what queries usually get.
WORK_MEM = "128MB"
#: No check may run for longer: its snapshot keeps VACUUM from removing anything.
STATEMENT_TIMEOUT = "15min"
#: How many runs of each kind are kept.
RUNS_KEPT = 200


class CheckResult(NamedTuple):
    """One check's outcome: it looked at `rows` rows, `offences` of them break the rule; `offenders`
    names the first."""

    check: Check
    rows: int
    offences: int
    offenders: list[str]

    @property
    def ok(self) -> bool:
        return not self.offences


class Position(NamedTuple):
    """How far a snapshot sees; the fields are those of `LedgerCheck`."""

    horizon: int
    cluster: int
    last_row: int
    held: list[int]


class Run(NamedTuple):
    """What came out of all checks on one snapshot. `since` is the clean run after which they
    looked, None if they looked at all there is."""

    since: LedgerCheck | None
    position: Position
    #: Rows of the journal that were looked at.
    rows: int
    results: list[CheckResult]


class AlreadyRunning(Exception):
    """The checks are running somewhere else."""


def run_checks(*, grace: timedelta = GRACE, changed: bool = False) -> list[CheckResult]:
    """Every check, on one snapshot of the database, so that it is right beside running spends:
    of all there is, or of what `changed` since the last clean run if there is one that can be
    built on. Holds and expiries count once they are due for longer than `grace`. Inside a caller's
    transaction the snapshot is the caller's."""
    return _run(grace=grace, changed=changed, alone=False).results


def _run(*, grace: timedelta, changed: bool, alone: bool) -> Run:
    """`alone`: raises AlreadyRunning beside another such run."""
    outermost = not connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        if outermost:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute(f"SET LOCAL work_mem = '{WORK_MEM}'")
            cursor.execute(f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}'")
        if alone and not _lock(cursor):
            raise AlreadyRunning
        position = _position(cursor)
        since = _mark(cursor, position) if changed else None
        if since:
            collect_changes(cursor, since)
        if outermost:
            cursor.execute("SET TRANSACTION READ ONLY")
        rows, results = _results(cursor, CHANGED if since else WHOLE, grace)
        # Nothing was written but temporary tables, which are not to be there for a second run in a
        # caller's transaction.
        transaction.set_rollback(True)
    return Run(since, position, rows, results)


def _lock(cursor: CursorWrapper) -> bool:
    cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended('credits.integrity', 4))")
    return bool(cursor.fetchone()[0])


def _position(cursor: CursorWrapper) -> Position:
    cursor.execute(
        "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint,"
        " (SELECT system_identifier FROM pg_control_system()),"
        " (SELECT coalesce(max(id), 0) FROM credits_usagehistory),"
        " ARRAY(SELECT charge_id FROM credits_hold)"
    )
    return Position(*cursor.fetchone())


def _mark(cursor: CursorWrapper, position: Position) -> LedgerCheck | None:
    """The last clean run, if its horizon can be compared with the rows' transactions: it is of this
    cluster, and not older than half of the numbers that a row's xmin can be."""
    return LedgerCheck.objects.filter(
        ok=True,
        cluster=position.cluster,
        horizon__lte=position.horizon,
        horizon__gt=position.horizon - 2**31,
    ).order_by("-pk").first()  # fmt: skip


def _results(
    cursor: CursorWrapper, relations: Mapping[str, str], grace: timedelta
) -> tuple[int, list[CheckResult]]:
    journal = fill(ROWS[1], relations)
    tables = sorted({journal, *(fill(check.table, relations) for check in CHECKS)})
    counts = ", ".join(f"(SELECT count(*) FROM {table} AS counted)" for table in tables)  # noqa: S608
    cursor.execute(f"SELECT {counts}")
    rows = dict(zip(tables, cursor.fetchone(), strict=True))
    results = []
    for check in CHECKS:
        query = (
            f"WITH offender(name) AS MATERIALIZED ({fill(check.sql, relations)})"  # noqa: S608 -- CHECKS' own SQL
            " SELECT (SELECT count(*) FROM offender),"
            f" ARRAY(SELECT name::text FROM offender ORDER BY name LIMIT {OFFENDERS_NAMED})"
        )
        values: Any = {"grace": grace} if "%(grace)s" in query else None
        cursor.execute(query, values)
        results.append(CheckResult(check, rows[fill(check.table, relations)], *cursor.fetchone()))
    return rows[journal], results


class LastChecks(NamedTuple):
    """The newest run of each kind that was kept."""

    changed: LedgerCheck | None
    whole: LedgerCheck | None

    @property
    def newest(self) -> LedgerCheck | None:
        return max(filter(None, self), key=lambda kept: kept.pk, default=None)

    @property
    def differences(self) -> list[dict[str, Any]]:
        """What stands: what the newest whole run found, and what changes later brought."""
        standing = dict.fromkeys(filter(None, (self.whole, self.newest)))
        return [difference for kept in standing for difference in kept.differences]


def last_checks() -> LastChecks:
    """The newest run of each kind, in one query."""
    kept = {
        each.whole: each for each in LedgerCheck.objects.order_by("whole", "-pk").distinct("whole")
    }
    return LastChecks(kept.get(False), kept.get(True))


def recent_checks() -> list[LedgerCheck]:
    """The newest runs of both kinds, the newest first: runs of what changed alone would leave no
    room for whole ones."""
    kinds = [(False, 15), (True, 5)]
    kept = [
        each for whole, at_most in kinds
        for each in LedgerCheck.objects.filter(whole=whole).order_by("-pk")[:at_most]
    ]  # fmt: skip
    return sorted(kept, key=lambda each: -each.pk)


def is_due() -> bool:
    """Whether what changed may be checked by itself again: without a clean run to build on that is
    a whole run, which takes longer."""
    last = last_checks().newest
    if last is None:
        return True
    return timezone.now() - last.started_at >= timedelta(seconds=INTERVAL_FACTOR * last.seconds)


def check_and_keep(
    *, changed: bool = False, grace: timedelta = GRACE, wait: bool = False
) -> tuple[LedgerCheck, Run]:
    """Runs every check, as `run_checks` does, and writes down what came out. A difference is logged
    as an error. One run at a time: beside another it raises AlreadyRunning, or waits."""
    while True:
        started_at, started = timezone.now(), monotonic()
        try:
            run = _run(grace=grace, changed=changed, alone=True)
            break
        except AlreadyRunning:
            if not wait:
                raise
            sleep(0.5)
    kept = LedgerCheck.objects.create(
        whole=run.since is None,
        ok=all(result.ok for result in run.results),
        checks=len(run.results),
        rows=run.rows,
        seconds=round(monotonic() - started, 3),
        differences=[_difference(result) for result in run.results if not result.ok],
        started_at=started_at,
        **run.position._asdict(),
    )
    _forget(kept)
    if not kept.ok:
        names = ", ".join(difference["name"] for difference in kept.differences)
        logger.error("The ledger has differences: %s", names)
    return kept, run


def _forget(kept: LedgerCheck) -> None:
    """Drops older runs of this kind, but for the last clean one, which the next is built on."""
    newest = LedgerCheck.objects.filter(whole=kept.whole).order_by("-pk")[RUNS_KEPT:]
    clean = LedgerCheck.objects.filter(ok=True).order_by("-pk").values("pk")[:1]
    LedgerCheck.objects.filter(pk__in=newest.values("pk")).exclude(pk__in=clean).delete()


def _difference(result: CheckResult) -> dict[str, Any]:
    fields = ("name", "invariant", "sentence", "offender")
    named = {field: getattr(result.check, field) for field in fields}
    return {**named, "offences": result.offences, "offenders": result.offenders}
