"""What a change of prices meets: the units that were used lately, and who could pay for one. Each
is one statement over sets, whatever the number of users."""

from collections.abc import Collection
from typing import NamedTuple

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
