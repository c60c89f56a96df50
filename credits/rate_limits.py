"""Rate limits: how often a key may be used in any window of time. Counted in one statement, so that
simultaneous requests cannot exceed a limit."""

from datetime import timedelta
from typing import Any

from django.db import connection

#: Nothing is counted over more time than this.
LONGEST = timedelta(hours=1)

TAKE = "SELECT wait FROM credits_take(ARRAY[%(counted)s], ARRAY[%(at_most)s], %(span)s)"
GIVE_BACK = """
UPDATE credits_ratelimit SET uses = uses - 1,
    moments = CASE WHEN counts[cardinality(counts)] > 1 THEN moments
        ELSE trim_array(moments, 1) END,
    counts = CASE WHEN counts[cardinality(counts)] > 1
        THEN trim_array(counts, 1) || counts[cardinality(counts)] - 1 ELSE trim_array(counts, 1) END
WHERE key = %(counted)s AND uses > 0
"""
WAIT = """
SELECT credits_rate_wait(credits_rate_now(r, %(span)s, moment), %(at_most)s, %(span)s, moment)
FROM credits_ratelimit r, credits_now() AS moment WHERE r.key = %(counted)s
"""
FORGET = """
DELETE FROM credits_ratelimit
WHERE NOT EXISTS (SELECT FROM unnest(moments) m WHERE m > credits_now() - %(longest)s)
"""


def take(key: str, *, limit: int, window: timedelta) -> int:
    """Counts one more use of `key`, of which `limit` fit in any `window`. Returns 0, or the seconds
    until there is room again: then it was not counted."""
    values: dict[str, Any] = {"counted": key, "at_most": limit, "span": window}
    with connection.cursor() as cursor:
        cursor.execute(TAKE, values)
        return int(cursor.fetchone()[0])


def give_back(key: str) -> None:
    """Takes the latest use of `key` back."""
    with connection.cursor() as cursor:
        cursor.execute(GIVE_BACK, {"counted": key})


def seconds_to_wait(key: str, *, limit: int, window: timedelta) -> int:
    """What `take` would return now, without counting anything."""
    values: dict[str, Any] = {"counted": key, "at_most": limit, "span": window}
    with connection.cursor() as cursor:
        cursor.execute(WAIT, values)
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def forget() -> int:
    """Deletes keys without a use in LONGEST; returns how many."""
    values: dict[str, Any] = {"longest": LONGEST}
    with connection.cursor() as cursor:
        cursor.execute(FORGET, values)
        return int(cursor.rowcount)
