"""What depends on a plan: what was granted under it, and what waits for it to be mapped."""

from dataclasses import dataclass
from typing import NamedTuple

from credits.catalogue.fields import PLAN_ID
from credits.models import Plan
from credits.sql import fetch_all

#: Unmapped deliveries that are read for the plans they name, newest first.
READ = 5000

GRANTED = """
SELECT count(*), coalesce(sum(amount), 0)::bigint, coalesce(sum(remaining), 0)::bigint
FROM credits_creditgrant g
JOIN credits_subscriptionitem i ON i.id = g.subscription_item_id
LEFT JOIN credits_period p ON p.id = g.period_id
WHERE coalesce(p.plan_id, i.plan_id) = %(plan)s
"""

WAITING = """
SELECT p.plan_id, count(DISTINCT p.item_id), max(i.plan_name)
FROM credits_period p JOIN credits_subscriptionitem i ON i.id = p.item_id
WHERE p.earned AND NOT p.settled AND i.payer_kind = 'user'
    AND NOT EXISTS (SELECT FROM credits_plan k WHERE k.clerk_id = p.plan_id AND k.active)
    AND (%(plan)s IS NULL OR p.plan_id = %(plan)s)
GROUP BY p.plan_id
ORDER BY 2 DESC, 1
"""

# An event names one plan, or (subscription.*) one for each of its items.
NAMED = """
WITH unmapped AS (
    SELECT id, payload -> 'data' AS data FROM credits_webhookdelivery
    WHERE unmapped ORDER BY id DESC LIMIT %(read)s
), item AS (
    SELECT id, data AS item FROM unmapped
    UNION ALL
    SELECT id, jsonb_array_elements(data -> 'items') FROM unmapped
    WHERE jsonb_typeof(data -> 'items') = 'array'
), named AS (
    SELECT DISTINCT id, coalesce(nullif(item ->> 'plan_id', ''), item -> 'plan' ->> 'id') AS plan
    FROM item
)
SELECT n.plan, count(*) FROM named n
WHERE n.plan IS NOT NULL
    AND NOT EXISTS (SELECT FROM credits_plan k WHERE k.clerk_id = n.plan AND k.active)
GROUP BY n.plan
"""


class Granted(NamedTuple):
    """What was granted under a plan: how many grants, their credits, and what is left of these."""

    grants: int
    credits: int
    left: int


class Waiting(NamedTuple):
    """A plan that people have paid for and that no active plan here has the id of: what Clerk calls
    it, and how many subscriptions wait for it. The id is empty where Clerk names none."""

    clerk_id: str
    subscriptions: int
    name: str


@dataclass(frozen=True)
class Unmapped:
    """An id that Clerk's billing names and no active plan has: how many deliveries name it, how
    many subscriptions wait, and whether a plan with it is here, but not active."""

    clerk_id: str
    name: str
    deliveries: int
    waiting: int
    inactive: bool


def granted_under(clerk_id: str) -> Granted:
    """Of the plan with this id, in credits."""
    [row] = fetch_all(GRANTED, {"plan": clerk_id})
    return Granted(*row)


def waiting_subscriptions(clerk_id: str | None = None) -> list[Waiting]:
    """The plans (or the one) that wait to be mapped and active, most subscriptions first."""
    return [Waiting(*row) for row in fetch_all(WAITING, {"plan": clerk_id})]


def count_waiting(clerk_id: str) -> int:
    """How many subscriptions have paid for this plan and wait for it to be mapped and active.
    `clerk_id` may be any text."""
    rows = waiting_subscriptions(clerk_id) if PLAN_ID.accepts(clerk_id) else []
    return sum(row.subscriptions for row in rows)


def unmapped_plans() -> list[Unmapped]:
    """The plans that Clerk names and nobody mapped, those with the most deliveries first."""
    deliveries = dict(fetch_all(NAMED, {"read": READ}))
    waiting = {row.clerk_id: row for row in waiting_subscriptions()}
    here = set(Plan.objects.values_list("clerk_id", flat=True))
    plans = []
    for clerk_id in filter(PLAN_ID.accepts, {**deliveries, **waiting}):
        row = waiting.get(clerk_id, Waiting(clerk_id, 0, ""))
        count = deliveries.get(clerk_id, 0)
        plans.append(Unmapped(clerk_id, row.name, count, row.subscriptions, clerk_id in here))
    return sorted(plans, key=lambda plan: (-plan.deliveries, plan.clerk_id))
