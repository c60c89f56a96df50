"""What was done through each API key in some days: for those who run the site."""

from datetime import date
from decimal import Decimal
from typing import NamedTuple

from django.db.models import Sum, TextChoices

from ai_chat.models import ApiCount
from credits.amounts import PICO, as_words
from credits.models import ApiKey, User
from credits.sql import fetch_all

#: Keys that are listed.
SHOWN = 100


class Order(TextChoices):
    """What the keys are listed by, the most first."""

    SPENT = "spent", "Spent"
    REQUESTS = "requests", "Requests"
    LIMITED = "limited", "Too many requests"
    FAILED = "failed", "Failed"
    BROKE_OFF = "broke_off", "Broke off"


# `failed` are those for which the site or a provider is to blame, but for streams that broke off.
BY_KEY = """
WITH spent AS (
    SELECT api_key_id, sum(spent) AS spent FROM credits_spendday
    WHERE api_key_id <> 0 AND day BETWEEN %(first)s AND %(last)s GROUP BY 1
), counted AS (
    SELECT api_key_id, sum(count) AS requests,
        sum(count) FILTER (WHERE status = 429) AS limited,
        sum(count) FILTER (WHERE status = 402) AS unpaid,
        sum(count) FILTER (WHERE status >= 500) AS failed,
        sum(count) FILTER (WHERE code = 'broke_off') AS broke_off
    FROM ai_chat_apicount
    WHERE api_key_id IS NOT NULL AND day BETWEEN %(first)s AND %(last)s GROUP BY 1
)
SELECT k.id, coalesce(s.spent, 0) AS spent, coalesce(c.requests, 0)::bigint AS requests,
    coalesce(c.limited, 0)::bigint AS limited, coalesce(c.unpaid, 0)::bigint AS unpaid,
    coalesce(c.failed, 0)::bigint AS failed, coalesce(c.broke_off, 0)::bigint AS broke_off
FROM credits_apikey k
LEFT JOIN spent s ON s.api_key_id = k.id LEFT JOIN counted c ON c.api_key_id = k.id
WHERE (s.spent > 0 OR c.requests > 0) AND (%(user)s IS NULL OR k.account_id = %(user)s)
ORDER BY {order} DESC, k.id LIMIT %(shown)s
"""


class KeySums(NamedTuple):
    """A key in some days: pico-credits that were spent through it, and how many of its requests
    were too many, had no credits, failed, and broke off after their answer had begun."""

    key: ApiKey
    user: User
    spent: Decimal
    requests: int
    limited: int
    unpaid: int
    failed: int
    broke_off: int

    @property
    def spent_words(self) -> str:
        """Credits, as people read them."""
        return as_words(int(self.spent))

    @property
    def spent_credits(self) -> Decimal:
        """Credits, exactly."""
        return self.spent / PICO


def by_key(
    *, first: date, last: date, user_id: int | None = None, order: str = Order.SPENT
) -> list[KeySums]:
    """The keys that were used from one day to another (UTC, both included), at most SHOWN."""
    statement = BY_KEY.format(order=Order(order).value)
    values = {"first": first, "last": last, "user": user_id, "shown": SHOWN}
    rows = fetch_all(statement, values)
    keys = ApiKey.objects.in_bulk([row[0] for row in rows])
    users = User.objects.in_bulk([key.account_id for key in keys.values()])
    return [KeySums(keys[pk], users[keys[pk].account_id], *sums) for pk, *sums in rows]


def without_key(*, first: date, last: date) -> int:
    """How many requests of these days had no key, or one that is not valid: guesses."""
    rows = ApiCount.objects.filter(day__range=(first, last), api_key=None, status=401)
    return rows.aggregate(Sum("count"))["count__sum"] or 0
