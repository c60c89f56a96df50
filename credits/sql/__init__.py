"""The ledger's SQL, and how migrations load SQL."""

from pathlib import Path

from django.db.migrations import RunSQL

ROOT = Path(__file__).parents[2]


def run_sql(name: str) -> RunSQL:
    """An operation that runs a file and, when it is undone, the file that reverses it:
    `credits/sql/kernel` stands for `kernel.sql` and `kernel.reverse.sql` in that folder."""
    return RunSQL(
        (ROOT / f"{name}.sql").read_text(),
        (ROOT / f"{name}.reverse.sql").read_text(),
    )
