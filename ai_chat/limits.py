"""Limits beside money, per user: paid requests in any minute, and work in flight at once. Each is
counted where two requests cannot both be the last one: in one statement, or under the lock of the
balance."""

import math
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection

WINDOW = timedelta(minutes=1)
#: When to come back after being refused for work in flight: nobody knows when it ends.
IN_FLIGHT_RETRY_SECONDS = 3

# One row per user: the moments of the requests that were let through in the last minute. A refused
# request is not written, so waiting helps. Whoever finds the row locked waits and then counts anew.
COUNT_REQUEST = """
INSERT INTO ai_chat_requestlog AS log (user_id, moments) VALUES (%(user)s, ARRAY[credits_now()])
ON CONFLICT (user_id) DO UPDATE SET moments = ARRAY(
    SELECT m FROM unnest(log.moments) m WHERE m > EXCLUDED.moments[1] - %(window)s
) || EXCLUDED.moments
WHERE %(limit)s > (
    SELECT count(*) FROM unnest(log.moments) m WHERE m > EXCLUDED.moments[1] - %(window)s
)
RETURNING true
"""
# The oldest of the moments that fill the limit: when it has left the window there is room again.
NEXT_ROOM = """
SELECT m, credits_now() FROM ai_chat_requestlog, unnest(moments) m
WHERE user_id = %(user)s ORDER BY m DESC OFFSET %(limit)s - 1 LIMIT 1
"""
COUNT_HOLDS = "SELECT count(*) FROM credits_hold WHERE user_id = %s"


class LimitReached(Exception):
    """Too much at once; nothing was charged. `retry_seconds` until it is worth trying again."""

    def __init__(self, message: str, *, retry_seconds: int) -> None:
        super().__init__(message)
        self.retry_seconds = retry_seconds


def count_request(*, user_id: int) -> None:
    """Counts a paid request against REQUESTS_PER_MINUTE. Raises LimitReached."""
    limit = settings.REQUESTS_PER_MINUTE
    values: dict[str, Any] = {"user": user_id, "window": WINDOW, "limit": limit}
    with connection.cursor() as cursor:
        cursor.execute(COUNT_REQUEST, values)
        if cursor.fetchone():
            return
        cursor.execute(NEXT_ROOM, values)
        seconds = _seconds_until_room(cursor.fetchone())
    raise LimitReached(
        f"You can send {limit} message{'s' if limit != 1 else ''} or image requests a minute. "
        f"Try again in {seconds} second{'s' if seconds != 1 else ''}; nothing was charged.",
        retry_seconds=seconds,
    )


def _seconds_until_room(row: tuple[datetime, datetime] | None) -> int:
    if row is None:
        return 1
    oldest, now = row
    return max(1, math.ceil((oldest + WINDOW - now).total_seconds()))


def check_in_flight(*, user_id: int) -> None:
    """Counts open holds against TURNS_IN_FLIGHT. To be called in the transaction that charged: it
    has the user's balance locked, so no two requests count at the same time.

    Raises LimitReached, which takes the charge back.
    """
    limit = settings.TURNS_IN_FLIGHT
    with connection.cursor() as cursor:
        cursor.execute(COUNT_HOLDS, [user_id])
        open_holds = cursor.fetchone()[0]
    if open_holds > limit:
        raise LimitReached(
            f"{limit} answer{'s are' if limit != 1 else ' is'} being made for you already. "
            "Wait for one to end; nothing was charged.",
            retry_seconds=IN_FLIGHT_RETRY_SECONDS,
        )
