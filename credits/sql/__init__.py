"""The ledger's SQL, and how migrations load SQL."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.db import connection
from django.db.migrations import RunSQL

ROOT = Path(__file__).parents[2]


def run_sql(name: str) -> RunSQL:
    """An operation that runs a file and, when it is undone, the file that reverses it:
    `credits/sql/kernel` stands for `kernel.sql` and `kernel.reverse.sql` in that folder."""
    return RunSQL(
        (ROOT / f"{name}.sql").read_text(),
        (ROOT / f"{name}.reverse.sql").read_text(),
    )


def fetch_all(query: str, values: Mapping[str, Any] | Sequence[Any] = ()) -> list[Any]:
    """The rows of a query."""
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        rows: list[Any] = cursor.fetchall()
    return rows
