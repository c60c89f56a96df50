"""Effective prices: what an admin set, else the default. Read from the database each time, so
that a new price holds at once in every process."""

from credits.features import FEATURE_CREDIT_COSTS, UnknownFeature
from credits.models import AdminSettings, Plan


def get_feature_costs() -> dict[str, int]:
    """Credits per unit of every feature, as they hold now."""
    overrides = AdminSettings.objects.values_list("feature_costs", flat=True).first() or {}
    return {key: int(overrides.get(key, cost)) for key, cost in FEATURE_CREDIT_COSTS.items()}


def get_feature_cost(feature: str) -> int:
    """Credits per unit of one feature. Raises UnknownFeature."""
    try:
        return get_feature_costs()[feature]
    except KeyError:
        raise UnknownFeature(f"There is no feature {feature!r}.") from None


def get_plan_credits(plan_id: str) -> int:
    """Credits per month of a plan by its Clerk id; an unknown or inactive plan brings 0."""
    plan = Plan.objects.filter(clerk_id=plan_id, active=True).only("credits").first()
    return plan.credits if plan else 0


def get_plans_credits() -> dict[str, int]:
    """Credits per month of every active plan, by its Clerk id."""
    return dict(Plan.objects.filter(active=True).values_list("clerk_id", "credits"))
