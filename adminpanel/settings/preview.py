"""What a change of prices does, in numbers, before it is made: last week's use at the new prices,
and who could still pay for one unit. Two statements over sets, whatever the number of users."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db import connection

from ai_chat.offer import models_of
from config.env import Model
from credits.features import FEATURES, Feature

DAYS = 7

# Units charged, less those that a refund brought back: of a charge of 4 images of which 1 came, 1.
# Each half finds its rows by time (usage_by_time) and is summed up before they meet; a refund's
# charge is looked up by its id (OFFSET 0 keeps it so: a join would read the week a second time;
# coalesce keeps it from the index of all refunds there ever were).
USES = """
WITH week AS (
    SELECT credits_now() - make_interval(days => %(days)s) AS since
), charged AS (
    SELECT operation_type, {model} AS model, sum(quantity::bigint) AS units
    FROM credits_usagehistory
    WHERE created_at >= (SELECT since FROM week) AND unit_cost IS NOT NULL
    GROUP BY 1, 2
), refunded AS (
    SELECT r.operation_type, c.model, sum(r.credits_used::numeric / c.unit_cost) AS units
    FROM credits_usagehistory r CROSS JOIN LATERAL (
        SELECT {model} AS model, unit_cost FROM credits_usagehistory
        WHERE id = r.refund_of_id AND created_at >= (SELECT since FROM week) OFFSET 0) c
    WHERE r.created_at >= (SELECT since FROM week) AND coalesce(r.refund_of_id, 0) > 0
    GROUP BY 1, 2
)
SELECT operation_type, model, round(sum(units))::bigint
FROM (SELECT * FROM charged UNION ALL SELECT * FROM refunded) u GROUP BY 1, 2
"""

PAYERS = """
SELECT count(*), {counts}
FROM credits_user u LEFT JOIN credits_creditbalance b ON b.account_id = u.id
WHERE u.is_active
"""


@dataclass(frozen=True)
class Effect:
    """A feature at two prices. `uses` are units in the last week, `weight` counts each as often as
    its model costs the price; `payers_…` are active users whose balance is enough for one unit of
    the cheapest model, of `users` in all."""

    feature: Feature
    before: int
    after: int
    uses: int
    weight: int
    payers_before: int
    payers_after: int
    users: int
    cheapest: int

    @property
    def least(self) -> int:
        """The balance from which one can pay, in credits."""
        return self.after * self.cheapest

    @property
    def per_day_before(self) -> int:
        """Credits a day at last week's use."""
        return round(self.weight * self.before / DAYS)

    @property
    def per_day_after(self) -> int:
        return round(self.weight * self.after / DAYS)

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
    offered = {key: models_of(key) for key in FEATURES}
    cheapest = {key: min(model.multiplier for model in offered[key].values()) for key in FEATURES}
    uses = _uses(
        by_model=any(m.multiplier != 1 for found in offered.values() for m in found.values())
    )
    least = {cost * cheapest[key] for costs in (before, wanted) for key, cost in costs.items()}
    users, payers = _payers(least)
    return {
        key: Effect(
            feature=feature,
            before=before[key],
            after=wanted[key],
            uses=sum(uses.get(feature.operation_type, {}).values()),
            weight=_weight(uses.get(feature.operation_type, {}), offered[key]),
            payers_before=payers[before[key] * cheapest[key]],
            payers_after=payers[wanted[key] * cheapest[key]],
            users=users,
            cheapest=cheapest[key],
        )
        for key, feature in FEATURES.items()
    }


def _weight(uses: Mapping[str, int], offered: Mapping[str, Model]) -> int:
    """A model that is offered no more counts once."""
    return sum(
        units * (offered[model].multiplier if model in offered else 1)
        for model, units in uses.items()
    )


def _uses(*, by_model: bool) -> dict[str, dict[str, int]]:
    """Units of the last week by operation type and model; under one name where all models cost the
    same, which spares looking into each row's details."""
    model = "coalesce(details ->> 'model', '')" if by_model else "''"
    found: dict[str, dict[str, int]] = {}
    with connection.cursor() as cursor:
        cursor.execute(USES.format(model=model), {"days": DAYS})
        for operation, name, units in cursor.fetchall():
            found.setdefault(operation, {})[name] = units
    return found


def _payers(costs: set[int]) -> tuple[int, dict[int, int]]:
    """How many active users there are, and how many of them have so many credits."""
    prices = sorted(costs)
    count = "count(*) FILTER (WHERE coalesce(b.credits_remaining, 0) >= %s)"
    with connection.cursor() as cursor:
        cursor.execute(PAYERS.format(counts=", ".join([count] * len(prices))), prices)
        users, *counts = cursor.fetchone()
    return users, dict(zip(prices, counts, strict=True))
