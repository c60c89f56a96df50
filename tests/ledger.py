"""Checking the ledger, attacking it in SQL, and naming the rule that refused."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from weakref import WeakKeyDictionary

import pytest
from django.db import IntegrityError, connection, transaction
from psycopg import ClientCursor

from credits.integrity.run import run_checks
from credits.models import User

#: The sweeper does not run in tests, unless a test says so.
NO_SWEEPER = timedelta(days=36500)

#: The names of the checks' prepared statements on each connection, by their text.
PREPARED: WeakKeyDictionary[Any, dict[str, str]] = WeakKeyDictionary()


def assert_ledger_is_consistent(*, grace: timedelta = NO_SWEEPER) -> None:
    """Every check of `credits.integrity.run` finds nothing."""
    with connection.execute_wrapper(_prepared):
        results = run_checks(grace=grace)
    differences = [
        f"{result.check.name}: {result.offences} ({result.check.offender} {result.offenders})"
        for result in results
        if not result.ok
    ]
    assert not differences, f"The ledger has differences: {differences}"


def _prepared(
    execute: Callable[..., Any], statement: str, values: Any, many: bool, context: Any
) -> Any:
    """Has PostgreSQL plan a check once for each connection: on the few rows of a test the plans
    take longer than the checks, which follow nearly every test."""
    if not statement.startswith("WITH offender"):
        return execute(statement, values, many, context)
    raw = context["connection"].connection
    text = ClientCursor(raw).mogrify(statement, values)
    names = PREPARED.setdefault(raw, {})
    if text not in names:
        name = f"check_{len(names)}"
        execute(f"PREPARE {name} AS {text}", None, many, context)
        names[text] = name
    return execute(f"EXECUTE {names[text]}", None, many, context)


def sql(statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Runs one statement as a shell would; the rows it returns."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []


def insert_row(user: User, **columns: object) -> int:
    """Puts a row into the journal by hand: a charge of 1 credit that chains, unless `columns` say
    otherwise. Returns its id."""
    used = columns.get("credits_used", 1)
    row = {
        "account_id": user.pk,
        "operation_type": "AI_TEXT_CHAT",
        "credits_used": used,
        "balance_after": sql_balance(user) - int(str(used)),
        "unit_cost": used,
        "quantity": 1,
        "details": "{}",
        **columns,
    }
    names, places = ", ".join(row), ", ".join(["%s"] * len(row))
    statement = f"INSERT INTO credits_usagehistory ({names}) VALUES ({places}) RETURNING id"
    return int(sql(statement, *row.values())[0][0])


#: The columns of `insert_row` that make it no charge.
NO_CHARGE: dict[str, object] = {"unit_cost": None, "quantity": None}


def sql_balance(user: User) -> int:
    """The stored balance, 0 without one; expired credits may still be in it."""
    rows = sql("SELECT credits_remaining FROM credits_creditbalance WHERE account_id = %s", user.pk)
    return int(rows[0][0]) if rows else 0


@contextmanager
def refused_by(*rules: str, message: str = "", at_once: bool = True) -> Iterator[None]:
    """PostgreSQL refuses what happens inside, by a constraint or trigger whose name begins with one
    of these, and says `message`. What is checked at the commit is checked `at_once` here."""
    with pytest.raises(IntegrityError) as refusal, transaction.atomic():  # noqa: PT012
        if at_once:
            sql("SET CONSTRAINTS ALL IMMEDIATE")
        yield
    diagnosis = refusal.value.__cause__.diag
    assert diagnosis.constraint_name.startswith(rules), str(refusal.value)
    assert message in str(refusal.value)
