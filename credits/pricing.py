"""What holds now: prices (what an admin set, else the default, as `credits_price` in PostgreSQL
decides each time) and what plans bring. So a change holds at once in every process."""

from django.db import connection

from credits.features import FEATURE_CREDIT_COSTS, UnknownFeature
from credits.models import Plan

COSTS = """
SELECT feature, credits_price(feature, cost) FROM unnest(%s::text[], %s::bigint[]) f(feature, cost)
"""


def get_feature_costs() -> dict[str, int]:
    """Credits per unit of every feature, as they hold now."""
    with connection.cursor() as cursor:
        cursor.execute(COSTS, [list(FEATURE_CREDIT_COSTS), list(FEATURE_CREDIT_COSTS.values())])
        return dict(cursor.fetchall())


def get_feature_cost(feature: str) -> int:
    """Credits per unit of one feature. Raises UnknownFeature."""
    if feature not in FEATURE_CREDIT_COSTS:
        raise UnknownFeature(f"There is no feature {feature!r}.")
    return get_feature_costs()[feature]


def get_plan_credits(plan_id: str) -> int:
    """Credits per month of a plan by its Clerk id; an unknown or inactive plan brings 0. For code
    that is moved from the reference system (`docs/migrating.md`)."""
    return get_plans_credits().get(plan_id, 0)


def get_plans_credits() -> dict[str, int]:
    """Credits per month of every active plan, by its Clerk id."""
    return dict(Plan.objects.filter(active=True).values_list("clerk_id", "credits"))
