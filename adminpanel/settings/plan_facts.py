"""What hangs on a plan: who subscribes to it, what was granted under it, what waits for it."""

from dataclasses import dataclass

from django.db import connection

from adminpanel.users.search import subscribers
from credits.catalogue.fields import PLAN_ID
from credits.models import Plan

#: Unmapped deliveries that are read for the plans they name, newest first.
READ = 5000

GRANTED = """
SELECT count(*), coalesce(sum(amount), 0)::bigint, coalesce(sum(remaining), 0)::bigint
FROM credits_creditgrant g
JOIN credits_subscriptionitem i ON i.id = g.subscription_item_id
LEFT JOIN credits_period p ON p.id = g.period_id
WHERE coalesce(p.plan_id, i.plan_id) = %(plan)s
"""

PARKED = """
SELECT p.plan_id, count(DISTINCT p.item_id), max(i.plan_name)
FROM credits_period p JOIN credits_subscriptionitem i ON i.id = p.item_id
WHERE p.earned AND NOT p.settled AND i.payer_kind = 'user'
    AND NOT EXISTS (SELECT FROM credits_plan k WHERE k.clerk_id = p.plan_id AND k.active)
    AND (%(plan)s IS NULL OR p.plan_id = %(plan)s)
GROUP BY p.plan_id
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


@dataclass(frozen=True)
class Touch:
    """What hangs on a plan; `granted` and `left` are credits, `subscribers` people, the others are
    counts."""

    clerk_id: str
    subscribers: int
    grants: int
    granted: int
    left: int
    parked: int


@dataclass(frozen=True)
class Unmapped:
    """An id that Clerk's billing names and no active plan has: how many deliveries name it, how
    many subscriptions wait, and whether a plan with it is there, but not active."""

    clerk_id: str
    name: str
    deliveries: int
    parked: int
    inactive: bool


def touched_by(clerk_id: str) -> Touch:
    with connection.cursor() as cursor:
        cursor.execute(GRANTED, {"plan": clerk_id})
        grants, granted, left = cursor.fetchone()
    return Touch(
        clerk_id, subscribers([clerk_id])[clerk_id], grants, granted, left, parked(clerk_id)
    )


def parked(clerk_id: str) -> int:
    """How many subscriptions have paid for this plan and wait for it to be mapped and active."""
    if not PLAN_ID.accepts(clerk_id):
        return 0
    return _parked(clerk_id).get(clerk_id, (0, ""))[0]


def _parked(clerk_id: str | None = None) -> dict[str, tuple[int, str]]:
    with connection.cursor() as cursor:
        cursor.execute(PARKED, {"plan": clerk_id})
        return {plan: (count, name) for plan, count, name in cursor.fetchall()}


def unmapped() -> list[Unmapped]:
    """The plans that Clerk names and nobody mapped, those with the most deliveries first."""
    with connection.cursor() as cursor:
        cursor.execute(NAMED, {"read": READ})
        deliveries = dict(cursor.fetchall())
    waiting = _parked()
    known = set(Plan.objects.values_list("clerk_id", flat=True))
    ids = {clerk_id for clerk_id in (*deliveries, *waiting) if PLAN_ID.accepts(clerk_id)}
    found = [
        Unmapped(
            clerk_id,
            waiting.get(clerk_id, (0, ""))[1],
            deliveries.get(clerk_id, 0),
            waiting.get(clerk_id, (0, ""))[0],
            clerk_id in known,
        )
        for clerk_id in ids
    ]
    return sorted(found, key=lambda plan: (-plan.deliveries, plan.clerk_id))
