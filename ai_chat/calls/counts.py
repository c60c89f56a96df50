"""Counting how requests to /v1 were answered. A process counts in its memory and writes every few
seconds, so that a flood of refusals costs the database nothing; one that is killed takes what it
has counted since with it."""

import logging
from collections import defaultdict
from datetime import UTC, date, datetime
from threading import Lock, Timer
from typing import NamedTuple

from django.db import DatabaseError, connection, connections

from ai_chat.calls.statuses import code_of, status_of
from ai_chat.models import ApiCall

logger = logging.getLogger(__name__)

#: Seconds until what was counted is written.
DELAY = 2.0
#: `old` is what comes before the statement, `rows` are those that are added.
ADD = """
{old}
INSERT INTO ai_chat_apicount AS total
    (day, api_key_id, endpoint, status, code, count, begun, first_seconds)
{rows}
ON CONFLICT (day, api_key_id, endpoint, status, code) DO UPDATE SET
    count = total.count + EXCLUDED.count, begun = total.begun + EXCLUDED.begun,
    first_seconds = total.first_seconds + EXCLUDED.first_seconds
"""
# In one order, so that two processes do not wait for each other.
WRITE = ADD.format(
    old="",
    rows="""
SELECT * FROM unnest(%s::date[], %s::bigint[], %s::text[], %s::int[], %s::text[], %s::bigint[],
    %s::bigint[], %s::float[]) ORDER BY 1, 2, 3, 4, 5""",
)
ADD_UP = ADD.format(
    old="WITH old AS (DELETE FROM ai_chat_apicount WHERE day < %s RETURNING *)",
    rows="""
SELECT NULL, NULL, endpoint, status, code, sum(count), sum(begun), sum(first_seconds)
FROM old GROUP BY endpoint, status, code""",
)


class _Alike(NamedTuple):
    """Requests that are counted together."""

    day: date
    key_id: int | None
    endpoint: str
    status: int
    code: str


class _Sum:
    def __init__(self) -> None:
        self.count = self.begun = 0
        self.seconds = 0.0


_lock = Lock()
_sums: defaultdict[_Alike, _Sum] = defaultdict(_Sum)
_timer: Timer | None = None


def count_call(call: ApiCall) -> None:
    """Counts a call that has ended."""
    status = status_of(call)
    assert status is not None
    count(
        key_id=call.api_key_id,
        endpoint=call.endpoint,
        status=status,
        code=code_of(call),
        first_seconds=call.first_seconds,
    )


def count(
    *,
    key_id: int | None,
    endpoint: str,
    status: int,
    code: str = "",
    first_seconds: float | None = None,
) -> None:
    """Counts a request that was answered; `first_seconds` are those until its answer began."""
    global _timer  # noqa: PLW0603 -- one for the process
    alike = _Alike(datetime.now(UTC).date(), key_id, endpoint[:60], status, code[:60])
    with _lock:
        total = _sums[alike]
        total.count += 1
        if first_seconds is not None:
            total.begun += 1
            total.seconds += first_seconds
        if _timer is None:
            _timer = Timer(DELAY, write)
            _timer.daemon = True
            _timer.start()


def write() -> None:
    """Writes what this process has counted. Where the database does not answer it is lost."""
    global _timer
    with _lock:
        written, _timer = dict(_sums), None
        _sums.clear()
    if not written:
        return
    rows = [(*alike, each.count, each.begun, each.seconds) for alike, each in written.items()]
    try:
        with connection.cursor() as cursor:
            cursor.execute(WRITE, [list(column) for column in zip(*rows, strict=True)])
    except DatabaseError as error:
        logger.warning("Counts of requests were not written: %s", type(error).__name__)
    finally:
        if not connection.in_atomic_block:
            connections.close_all()


def add_up(*, before: date) -> None:
    """Replaces the counts of the days before this one by their sums, without day and key."""
    with connection.cursor() as cursor:
        cursor.execute(ADD_UP, [before])
