"""How often something may be done: in any window of time, by anybody that a key names. Counted in
one statement, so that two requests cannot both be the last one."""

import math
from datetime import timedelta
from typing import Any

from django.db import connection

#: Nothing is counted over more time than this.
LONGEST = timedelta(hours=1)

# One row per key: the moments of the uses that were let through in the window. A refused one is not
# written, so waiting helps. Whoever finds the row locked waits and then counts anew.
TAKE = """
INSERT INTO credits_ratelimit AS log (key, moments) VALUES (%(key)s, ARRAY[credits_now()])
ON CONFLICT (key) DO UPDATE SET moments = ARRAY(
    SELECT m FROM unnest(log.moments) m WHERE m > EXCLUDED.moments[1] - %(window)s
) || EXCLUDED.moments
WHERE %(limit)s > (
    SELECT count(*) FROM unnest(log.moments) m WHERE m > EXCLUDED.moments[1] - %(window)s
)
RETURNING true
"""
# The oldest of the moments that fill the limit: when it has left the window there is room again.
NEXT_ROOM = """
SELECT m - credits_now() FROM credits_ratelimit, unnest(moments) m
WHERE key = %(key)s ORDER BY m DESC OFFSET %(limit)s - 1 LIMIT 1
"""
FORGET = """
DELETE FROM credits_ratelimit
WHERE NOT EXISTS (SELECT FROM unnest(moments) m WHERE m > credits_now() - %(longest)s)
"""


def take(key: str, *, limit: int, window: timedelta) -> int:
    """Counts one more use of `key`, of which `limit` fit in any `window`. Returns 0, or the seconds
    until there is room again: then it was not counted."""
    values: dict[str, Any] = {"key": key, "window": window, "limit": limit}
    with connection.cursor() as cursor:
        cursor.execute(TAKE, values)
        if cursor.fetchone():
            return 0
        cursor.execute(NEXT_ROOM, values)
        row = cursor.fetchone()
    return max(1, math.ceil((row[0] + window).total_seconds())) if row else 1


def forget() -> int:
    """Drops keys that nobody used lately; returns how many."""
    with connection.cursor() as cursor:
        values: dict[str, Any] = {"longest": LONGEST}
        cursor.execute(FORGET, values)
        return int(cursor.rowcount)
