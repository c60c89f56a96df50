"""The journal by days, for reports: closed days from the rollup, the rest from the journal itself.
Charges never touch the rollup; a periodic task closes a day once nobody can write into it any more
(`credits/sql/rollup.sql`)."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from typing import NamedTuple

from django.db import transaction

from credits.models import ActiveAccount, UsageDay, UsageSlice, UseSlice
from credits.sql import fetch_all
from credits.statement.days import midnight

#: No row is older.
BEGINNING = date(2020, 1, 1)
#: Seconds that closing waits for the transactions that can still write into a day.
PATIENCE = 10.0


def close_days(*, patience: float = PATIENCE, at_most: int = 4000) -> int:
    """Closes every day that is over, each in a transaction of its own. Returns how many: fewer than
    there are when a transaction that may still write into one does not end in time."""
    closed = 0
    while closed < at_most and _close_next(time.monotonic() + patience):
        closed += 1
    return closed


def _close_next(deadline: float) -> bool:
    """Closes the first open day; False when there is none, or another process has closed it, or a
    transaction may still write into it at the deadline."""
    [(day, writers)] = fetch_all("SELECT day, writers FROM credits_next_day()")
    while day:
        [(closed,)] = fetch_all("SELECT credits_close_day(%s, %s)", [day, writers])
        if closed:
            return True
        if time.monotonic() > deadline or UsageDay.objects.filter(day=day).exists():
            return False
        time.sleep(0.1)
    return False


def rebuild() -> int:
    """Empties the rollup and closes all days anew. Returns how many."""
    with transaction.atomic():
        for table in (UsageSlice, UseSlice, UsageDay, ActiveAccount):
            table.objects.all().delete()
    return close_days()


def open_since() -> date:
    """The first day that is not closed: from there on the journal is asked."""
    [(day,)] = fetch_all("SELECT max(day) + 1 FROM credits_usageday")
    return day or BEGINNING


class Slice(NamedTuple):
    """Rows of a day that agree in what they are. `credits` is signed as `credits_used` is: positive
    left the balances. `first_id` and `last_id` say where the rows are."""

    day: date
    operation_type: str
    kind: str
    model: str
    reason: str
    rows: int
    credits: int
    first_id: int
    last_id: int


@dataclass(frozen=True)
class Slicing:
    """Which slices: empty fields mean all. Days are UTC, both included."""

    first: date = BEGINNING
    last: date = date(2100, 12, 31)
    kind: str = ""
    operation_type: str = ""
    model: str = ""
    reason: str = ""


# What is not closed is read from the journal; a day that is closed between the question for
# `opened` and this one is read there all the same, never twice.
SLICES = """
SELECT * FROM (
    SELECT day, operation_type, kind, model, reason, rows, credits, first_id, last_id
    FROM credits_usageslice
    WHERE day >= %(first)s AND day <= %(last)s AND day < %(opened)s
    UNION ALL
    SELECT * FROM credits_slices(%(since)s, %(until)s)
) slice
WHERE (%(kind)s = '' OR kind = %(kind)s)
    AND (%(operation_type)s = '' OR operation_type = %(operation_type)s)
    AND (%(model)s = '' OR model = %(model)s) AND (%(reason)s = '' OR reason = %(reason)s)
ORDER BY day DESC
"""


def slices(wanted: Slicing) -> list[Slice]:
    """The slices, newest day first. Reads the journal only for days that are not closed."""
    return [Slice(*row) for row in fetch_all(SLICES, _values(wanted))]


def _values(wanted: Slicing) -> dict[str, object]:
    """The parameters of SLICES and USES."""
    opened = open_since()
    return {
        **vars(wanted),
        "opened": opened,
        "since": midnight(max(wanted.first, opened), UTC),
        "until": midnight(wanted.last + timedelta(days=1), UTC),
    }


class UsePart(NamedTuple):
    """What calls by tokens of one model used on a day, as `UseSlice` has it."""

    day: date
    model: str
    source: str
    uses: int
    input: int
    cached: int
    cache_write: int
    output: int
    reasoning: int
    cost: int
    collected: int
    uncollected_uses: int
    known: int
    known_collected: int
    provider_cost: int


USES = """
SELECT * FROM (
    SELECT day, model, source, uses, input, cached, cache_write, output, reasoning, cost, collected,
        uncollected_uses, known, known_collected, provider_cost
    FROM credits_useslice WHERE day >= %(first)s AND day <= %(last)s AND day < %(opened)s
    UNION ALL
    SELECT * FROM credits_use_slices(%(since)s, %(until)s)
) part
WHERE %(model)s = '' OR model = %(model)s
ORDER BY day DESC
"""


def uses(wanted: Slicing) -> list[UsePart]:
    """What calls by tokens used, newest day first: of `wanted` the days and the model count. Reads
    the uses only for days that are not closed."""
    rows = fetch_all(USES, _values(wanted))
    return [UsePart(*row[:3], *map(int, row[3:])) for row in rows]


def spans(parts: Iterable[Slice]) -> list[tuple[int, int]]:
    """Where in the journal these rows are: ranges of ids that do not overlap, newest first."""
    ranges: list[tuple[int, int]] = []
    for first, end in sorted(((part.first_id, part.last_id) for part in parts), reverse=True):
        last = end
        # One that reaches far may overlap several of those before it.
        while ranges and last >= ranges[-1][0]:
            last = max(last, ranges.pop()[1])
        ranges.append((first, last))
    return ranges


# For each day, and (without a day) for all together: who was active in the closed part, and who was
# in the open one and not there.
ACTIVE_USERS = """
WITH fresh AS MATERIALIZED (
    SELECT day, account_id FROM credits_facts(%(since)s, 'infinity') WHERE kind = 'charge'
    GROUP BY day, account_id)
SELECT day, active_accounts FROM credits_usageday WHERE day >= %(first)s AND day < %(opened)s
UNION ALL SELECT day, count(*) FROM fresh GROUP BY day
UNION ALL SELECT NULL, (SELECT count(*) FROM credits_activeaccount WHERE last_day >= %(first)s)
    + (SELECT count(DISTINCT account_id) FROM fresh WHERE NOT EXISTS (
        SELECT FROM credits_activeaccount known
        WHERE known.account_id = fresh.account_id AND known.last_day >= %(first)s))
"""


def active_users(*, first: date) -> tuple[dict[date, int], int]:
    """How many users were charged, on each day since `first` and in all these days together."""
    opened = open_since()
    values = {"first": first, "opened": opened, "since": midnight(max(first, opened), UTC)}
    by_day = dict(fetch_all(ACTIVE_USERS, values))
    return by_day, by_day.pop(None)
