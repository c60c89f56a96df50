"""Limits beside money, per user: paid requests in any minute, and work in flight at once."""

from datetime import timedelta

from django.conf import settings
from django.db import connection

from config.errors import TooManyRequests
from credits.rate_limits import take

WINDOW = timedelta(minutes=1)
#: When to come back after being refused for work in flight: nobody knows when it ends.
IN_FLIGHT_RETRY_SECONDS = 3

COUNT_HOLDS = "SELECT count(*) FROM credits_hold WHERE account_id = %s"


class LimitReached(TooManyRequests):
    """Too much at once; nothing was charged."""


def count_request(*, user_id: int) -> None:
    """Counts a paid request against REQUESTS_PER_MINUTE. Raises LimitReached."""
    limit = settings.REQUESTS_PER_MINUTE
    seconds = take(f"requests:{user_id}", limit=limit, window=WINDOW)
    if seconds:
        raise LimitReached(
            f"You can send {limit} message{'s' if limit != 1 else ''} or image requests a minute. "
            f"Try again in {seconds} second{'s' if seconds != 1 else ''}; nothing was charged.",
            retry_seconds=seconds,
        )


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
