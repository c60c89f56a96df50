"""What a change of prices meets: the units and tokens that were used lately, and who could pay for
a unit. Each is one statement over sets, whatever the number of users."""

import json
from collections.abc import Collection
from typing import NamedTuple

from credits.models import AIModel, TokenPrice
from credits.models.tokens import PRICE_COLUMNS
from credits.sql import fetch_all

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


class Payers(NamedTuple):
    """How many active users there are, and how many of them have at least so many credits."""

    users: int
    with_credits: dict[int, int]


def units_used(*, days: int, by_model: bool) -> dict[str, dict[str, int]]:
    """Units of the last days that were not refunded, by operation type and model; with `by_model`
    off all stand under one empty name, which spares looking into each row's details."""
    model = "coalesce(details ->> 'model', '')" if by_model else "''"
    used: dict[str, dict[str, int]] = {}
    for operation, name, units in fetch_all(USES.format(model=model), {"days": days}):
        used.setdefault(operation, {})[name] = units
    return used


def count_payers(amounts: Collection[int]) -> Payers:
    """Of each amount of credits, how many active users have it."""
    distinct = sorted(set(amounts))
    count = "count(*) FILTER (WHERE coalesce(b.credits_remaining, 0) >= %s)"
    counted = PAYERS.format(counts=", ".join([count] * len(distinct)))
    [(users, *counts)] = fetch_all(counted, distinct)
    return Payers(users, dict(zip(distinct, counts, strict=True)))


# What the uses of a model cost, and what they would have cost: at another price by tokens, or at so
# many credits each.
USES_AT = """
WITH priced AS (SELECT jsonb_populate_record(NULL::credits_tokenprice, %(prices)s::jsonb) AS price)
SELECT count(*), coalesce(sum(s.cost), 0), coalesce(sum(s.collected), 0),
    count(s.provider_cost), sum(s.provider_cost),
    coalesce(sum(s.collected) FILTER (WHERE s.provider_cost IS NOT NULL), 0),
    coalesce(sum(n.cost), 0), sum(n.provider_cost), count(*) FILTER (WHERE n.cost > s.cost)
FROM credits_use s
JOIN credits_usagehistory c ON c.id = s.charge_id
JOIN credits_tokenprice p ON p.id = c.price_id
CROSS JOIN priced CROSS JOIN LATERAL (
    SELECT coalesce(%(each)s::bigint * credits_pico(), credits_cost(priced.price, s)) AS cost,
        credits_provider_cost(priced.price, s) AS provider_cost) n
WHERE p.model_id = %(model)s AND s.source <> 'none'
    AND s.created_at >= credits_now() - make_interval(days => %(days)s)
"""

# Charges of a model per unit, and what stayed of them.
PER_UNIT = """
SELECT count(*), coalesce(sum(c.credits_used - coalesce(r.returned, 0)), 0)::bigint
FROM credits_usagehistory c LEFT JOIN LATERAL (
    SELECT -sum(credits_used) AS returned FROM credits_usagehistory
    WHERE refund_of_id = c.id) r ON true
WHERE c.created_at >= credits_now() - make_interval(days => %(days)s)
    AND c.unit_cost IS NOT NULL AND c.bound IS NULL AND c.details ->> 'model' = %(name)s
"""


class UsesAt(NamedTuple):
    """The uses of a model in some days: what they cost and what was collected of that; what the
    provider asks for those (`known`) of which that is known, and what was collected of these; then
    the same at another price, with how many would have cost more (`dearer`). Pico-credits; None is
    what nobody knows."""

    uses: int
    cost: int
    collected: int
    known: int
    provider_cost: int | None
    known_collected: int
    new_cost: int
    new_provider_cost: int | None
    dearer: int


def uses_at(model: AIModel, price: TokenPrice | None, *, each: int | None, days: int) -> UsesAt:
    """The uses of the last days at their own prices and at this one; without it, at so many credits
    `each`. Exact: PostgreSQL sums up products of whole numbers."""
    columns = {} if price is None else {name: getattr(price, name) for name in PRICE_COLUMNS}
    values = {"model": model.pk, "prices": json.dumps(columns), "each": each, "days": days}
    [row] = fetch_all(USES_AT, values)
    return UsesAt(*(None if value is None else int(value) for value in row))  # type: ignore[arg-type]


def charged_per_unit(model: AIModel, *, days: int) -> tuple[int, int]:
    """How often the model was charged per unit in the last days, and the credits that stayed."""
    [(charges, credits)] = fetch_all(PER_UNIT, {"name": model.name, "days": days})
    return charges, credits
