"""Calling the ledger's functions in PostgreSQL (`credits/sql/`), and the bounds of what they
take."""

from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import DateTimeField, Func
from psycopg.rows import class_row, namedtuple_row

from credits import exceptions

#: The largest amount of one operation, in credits: a balance cannot overflow by adding these up.
MAX_AMOUNT = 10**12
#: The largest quantity of one charge.
MAX_QUANTITY = 1000
#: Characters of an idempotency key.
MAX_KEY = 255


def check_amount(what: str, value: int, low: int, high: int) -> None:
    """Raises LedgerError unless the value is from `low` to `high`, both included."""
    if not low <= value <= high:
        raise exceptions.LedgerError(f"{what} must be from {low} to {high}, not {value}.")


def check_key(key: str | None) -> None:
    """Raises LedgerError for what is no idempotency key."""
    if key is not None and (not 1 <= len(key) <= MAX_KEY or "\0" in key):
        raise exceptions.LedgerError(f"An idempotency key has 1 to {MAX_KEY} characters.")


def call_kernel(function: str, *, row: type | None = None, **arguments: Any) -> Any:
    """The row that a function of the kernel returns: as `row`, whose fields are the function's
    columns, or as a named tuple."""
    # Not callproc(): Django logs and counts only what goes through execute().
    names = ", ".join(f"{name} => %({name})s" for name in arguments)
    with connection.cursor() as cursor:
        cursor.cursor.row_factory = class_row(row) if row else namedtuple_row
        cursor.execute(f"SELECT * FROM {function}({names})", arguments)  # noqa: S608 -- ours
        return cursor.fetchone()


def ledger_now() -> Func:
    """The ledger's clock (`credits_now`), in a query."""
    return Func(function="credits_now", output_field=DateTimeField())


def database_time() -> datetime:
    """The moment by the same clock, by which leases, limits and retries are counted."""
    moment: datetime = call_kernel("credits_now")[0]
    return moment
