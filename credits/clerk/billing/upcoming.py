"""When a user's plan brings credits the next time."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from credits.clerk.billing.projection import MONTHS, add_months, end_of_month, moment
from credits.models import Plan, SubscriptionItem, User


class Upcoming(NamedTuple):
    """Credits that come at a moment if nothing changes until then."""

    at: datetime
    credits: int


def next_grant(user: User) -> Upcoming | None:
    """The soonest grant of this user's plans; None when no active plan of theirs brings any."""
    if not user.clerk_id:
        return None
    now = datetime.now(UTC)
    mapped = Plan.objects.filter(active=True, credits__gt=0)
    amounts = dict(mapped.values_list("clerk_id", "credits"))
    items = SubscriptionItem.objects.filter(
        payer_id=user.clerk_id, status="active", plan_id__in=amounts
    )
    upcoming = (Upcoming(at, amounts[item.plan_id]) for item in items for at in _moments(item, now))
    return min(upcoming, default=None)


def _moments(item: SubscriptionItem, now: datetime) -> Iterator[datetime]:
    """Each calendar month, each month of a paid year, or the next period."""
    if item.is_free:
        yield end_of_month(now)
        return
    if item.annual and item.period_start is not None:
        months = (moment(add_months(item.period_start, month)) for month in range(1, MONTHS))
        yield from (at for at in months if at > now)
    if item.period_end is not None and moment(item.period_end) > now:
        yield moment(item.period_end)
