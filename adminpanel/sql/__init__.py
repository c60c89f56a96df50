"""The desk's SQL, loaded by its migrations."""

from pathlib import Path

from django.db.migrations import RunSQL

HERE = Path(__file__).parent


def run_sql(name: str) -> RunSQL:
    """An operation that runs `<name>.sql`, and `<name>.reverse.sql` when it is undone."""
    return RunSQL(
        (HERE / f"{name}.sql").read_text(),
        (HERE / f"{name}.reverse.sql").read_text(),
    )
