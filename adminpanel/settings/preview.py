"""What a change of prices does, in numbers, before it is made: last week's use at the new prices,
and who could still pay for one unit. Two statements over sets, whatever the number of users."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db import connection

from credits.features import FEATURES, Feature

DAYS = 7

# Units charged, less those that a refund brought back: of a charge of 4 images of which 1 came, 1.
USES = """
WITH week AS (
    SELECT credits_now() - make_interval(days => %(days)s) AS since
), used AS (
    SELECT u.operation_type, u.quantity::numeric AS units
    FROM credits_usagehistory u
    WHERE u.created_at >= (SELECT since FROM week) AND u.unit_cost IS NOT NULL
    UNION ALL
    SELECT c.operation_type, r.credits_used::numeric / c.unit_cost
    FROM credits_usagehistory r JOIN credits_usagehistory c ON c.id = r.refund_of_id
    WHERE r.created_at >= (SELECT since FROM week) AND r.refund_of_id IS NOT NULL
        AND c.created_at >= (SELECT since FROM week)
)
SELECT operation_type, round(sum(units))::bigint FROM used GROUP BY operation_type
"""

PAYERS = """
SELECT count(*), {counts}
FROM credits_user u LEFT JOIN credits_creditbalance b ON b.user_id = u.id
WHERE u.is_active
"""


@dataclass(frozen=True)
class Effect:
    """A feature at two prices. `uses` are units in the last week; `payers_…` are active users whose
    balance is enough for one unit, of `users` in all."""

    feature: Feature
    before: int
    after: int
    uses: int
    payers_before: int
    payers_after: int
    users: int

    @property
    def per_day_before(self) -> int:
        """Credits a day at last week's use."""
        return round(self.uses * self.before / DAYS)

    @property
    def per_day_after(self) -> int:
        return round(self.uses * self.after / DAYS)

    @property
    def payers_more(self) -> int:
        """How many more users could pay; negative when fewer can."""
        return self.payers_after - self.payers_before

    @property
    def payers_fewer(self) -> int:
        return -self.payers_more


def effects(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, Effect]:
    """Of every feature, from the prices that hold to those in `after` (others stay)."""
    wanted = {key: after.get(key, cost) for key, cost in before.items()}
    uses = _uses()
    users, counts = _payers({*before.values(), *wanted.values()})
    return {
        key: Effect(
            feature=feature,
            before=before[key],
            after=wanted[key],
            uses=uses.get(feature.operation_type, 0),
            payers_before=counts[before[key]],
            payers_after=counts[wanted[key]],
            users=users,
        )
        for key, feature in FEATURES.items()
    }


def _uses() -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(USES, {"days": DAYS})
        return dict(cursor.fetchall())


def _payers(costs: set[int]) -> tuple[int, dict[int, int]]:
    """How many active users there are, and how many of them have so many credits."""
    prices = sorted(costs)
    count = "count(*) FILTER (WHERE coalesce(b.credits_remaining, 0) >= %s)"
    with connection.cursor() as cursor:
        cursor.execute(PAYERS.format(counts=", ".join([count] * len(prices))), prices)
        users, *counts = cursor.fetchone()
    return users, dict(zip(prices, counts, strict=True))
