"""Proof that the ledger's invariants hold, read from the data itself: each check is one set-based
query that names the rows which break a rule. `run_checks` is what `manage.py check_ledger`, the
health pages and the tests ask."""

from datetime import timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction

from credits.checks import CHECKS, Check

#: How long (past a lease, past an expiry) the sweeper may need before that is a fault.
GRACE = timedelta(minutes=5)
#: How many offenders a result names; `offences` counts them all.
NAMED = 5


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

    Holds past their lease and expiries past their time count once they are older than `grace`.
    Inside a caller's transaction the snapshot is the caller's.
    """
    outermost = not connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        if outermost:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        rows = _count_rows()
        return [_run(check, rows[check.table], grace) for check in CHECKS]


def _count_rows() -> dict[str, int]:
    tables = sorted({check.table for check in CHECKS})
    columns = ", ".join(f"(SELECT count(*) FROM {table})" for table in tables)  # noqa: S608 -- ours
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns}")
        return dict(zip(tables, cursor.fetchone(), strict=True))


def _run(check: Check, rows: int, grace: timedelta) -> CheckResult:
    query = (
        f"WITH offender(name) AS MATERIALIZED ({check.sql})"  # noqa: S608 -- CHECKS' own SQL
        " SELECT (SELECT count(*) FROM offender),"
        f" ARRAY(SELECT name::text FROM offender ORDER BY name LIMIT {NAMED})"
    )
    with connection.cursor() as cursor:
        values: Any = {"grace": grace} if "%(grace)s" in check.sql else None
        cursor.execute(query, values)
        offences, offenders = cursor.fetchone()
    return CheckResult(check, rows, offences, offenders)
