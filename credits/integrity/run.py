"""Proof that the ledger's invariants hold, read from the data itself: each check is one set-based
query that names the rows which break a rule."""

import logging
from datetime import timedelta
from time import monotonic
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.utils import timezone

from credits.integrity import admins, clerk, ledger, packs, rollup
from credits.integrity.base import Check
from credits.integrity.ledger import USAGE
from credits.models.rollup import LedgerCheck

logger = logging.getLogger(__name__)

#: Every check there is; a new one is added to the list of its module.
CHECKS: list[Check] = [*ledger.CHECKS, *admins.CHECKS, *packs.CHECKS, *rollup.CHECKS, *clerk.CHECKS]

#: How long (past a lease, past an expiry) the sweeper may need before that is a fault.
GRACE = timedelta(minutes=5)
#: How many offenders a result names; `offences` counts them all.
OFFENDERS_NAMED = 5
#: The checks run again after this long, or after so many times the seconds that they took if that
#: is longer: on a large ledger they use a fiftieth of one processor, not all of it.
INTERVAL = timedelta(minutes=5)
INTERVAL_FACTOR = 50
#: For each sort and hash of a check: a large ledger's do not fit into what queries usually get.
WORK_MEM = "128MB"
#: How many runs are kept.
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


def run_checks(*, grace: timedelta = GRACE) -> list[CheckResult]:
    """Every check, on one snapshot of the database, so that it is right beside running spends.
    Holds and expiries count once they are due for longer than `grace`. Inside a caller's
    transaction the snapshot is the caller's."""
    outermost = not connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        if outermost:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute(f"SET LOCAL work_mem = '{WORK_MEM}'")
        tables = sorted({check.table for check in CHECKS})
        counts = ", ".join(f"(SELECT count(*) FROM {table})" for table in tables)  # noqa: S608
        cursor.execute(f"SELECT {counts}")
        rows = dict(zip(tables, cursor.fetchone(), strict=True))
        return [_run(check, rows[check.table], grace) for check in CHECKS]


def _run(check: Check, rows: int, grace: timedelta) -> CheckResult:
    query = (
        f"WITH offender(name) AS MATERIALIZED ({check.sql})"  # noqa: S608 -- CHECKS' own SQL
        " SELECT (SELECT count(*) FROM offender),"
        f" ARRAY(SELECT name::text FROM offender ORDER BY name LIMIT {OFFENDERS_NAMED})"
    )
    with connection.cursor() as cursor:
        values: Any = {"grace": grace} if "%(grace)s" in check.sql else None
        cursor.execute(query, values)
        offences, offenders = cursor.fetchone()
    return CheckResult(check, rows, offences, offenders)


def last_check() -> LedgerCheck | None:
    """The newest run that was kept."""
    return LedgerCheck.objects.order_by("-pk").first()


def is_due() -> bool:
    """Whether the checks may run again by themselves."""
    last = last_check()
    if last is None:
        return True
    pause = max(INTERVAL, timedelta(seconds=INTERVAL_FACTOR * last.seconds))
    return timezone.now() - last.started_at >= pause


def check_and_keep() -> LedgerCheck:
    """Runs every check and writes down what came out. A difference is logged as an error."""
    started_at, started = timezone.now(), monotonic()
    results = run_checks()
    kept = LedgerCheck.objects.create(
        ok=all(result.ok for result in results),
        checks=len(results),
        rows=max(result.rows for result in results if result.check.table == USAGE),
        seconds=round(monotonic() - started, 3),
        differences=[_difference(result) for result in results if not result.ok],
        started_at=started_at,
    )
    LedgerCheck.objects.filter(pk__lte=kept.pk - RUNS_KEPT).delete()
    if not kept.ok:
        names = ", ".join(difference["name"] for difference in kept.differences)
        logger.error("The ledger has differences: %s", names)
    return kept


def _difference(result: CheckResult) -> dict[str, Any]:
    fields = ("name", "invariant", "sentence", "offender")
    named = {field: getattr(result.check, field) for field in fields}
    return {**named, "offences": result.offences, "offenders": result.offenders}
