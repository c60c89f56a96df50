"""What the ledger knows of users in a list of them: balances, holds, and when they last spent."""

from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from credits.models import CreditBalance, Hold, UsageHistory, User

type Users = QuerySet[User]


def with_balance(users: Users) -> Users:
    """Each with `credits` and `last_usage` (the id of the newest journal row). What has expired but
    was not posted yet is still counted. PostgreSQL looks them up for the rows of a page only: a
    join would come before the sort."""
    balance = CreditBalance.objects.filter(account=OuterRef("pk"))
    return users.annotate(
        credits=Coalesce(Subquery(balance.values("credits_remaining")), 0),
        last_usage=Subquery(balance.values("last_usage_id")),
    )


def with_use(users: Users) -> Users:
    """Each with `held`, the credits in flight, and `last_use`, the time of the newest charge."""
    holds = Hold.objects.filter(account=OuterRef("pk")).order_by().values("account")
    held = holds.annotate(total=Sum("charge__credits_used")).values("total")
    return users.annotate(
        held=Coalesce(Subquery(held), 0),
        last_use=Subquery(_charges().order_by("-id").values("created_at")[:1]),
    )


def between(users: Users, low: int | None, high: int | None) -> Users:
    """Those with a balance in these bounds, both included."""
    if low:
        users = users.filter(credit_balance__credits_remaining__gte=low)
    if high is not None:
        some = Q(credit_balance__credits_remaining__lte=high)
        users = users.filter(some | Q(credit_balance__isnull=True))
    return users


def _charges() -> QuerySet[UsageHistory]:
    return UsageHistory.objects.filter(account=OuterRef("pk"), unit_cost__isnull=False)


# A list in parts, one behind the other, each with a `key` that falls. A balance of 0 may have no
# row, and no use has none: apart from these the others need no outer join to be sorted.


def parts_by_balance(users: Users, *, lowest_first: bool = False) -> list[QuerySet[Any]]:
    """The users by balance."""
    balance = F("credit_balance__credits_remaining")
    some = users.filter(credit_balance__credits_remaining__gt=0)
    zero = Q(credit_balance__isnull=True) | Q(credit_balance__credits_remaining=0)
    none = users.filter(zero).annotate(key=Value(0))
    if lowest_first:
        return [none, some.annotate(key=-balance)]
    return [some.annotate(key=balance), none]


def parts_by_use(users: Users, *, searched: bool) -> list[QuerySet[Any]]:
    """The users by the id of their newest charge, the latest first. `searched`: words found
    them."""
    never = users.filter(~Exists(_charges())).annotate(key=Value(0))
    if searched:
        # The planner expects words to match few users: by the query below it would fetch every
        # charge of each (62 s for 100,000 people with five million charges).
        newest = Subquery(_charges().order_by("-id").values("id")[:1])
        return [users.annotate(key=newest).filter(key__isnull=False), never]
    # The journal backwards, each user where the newest charge is: a page costs a page.
    newer = _charges().filter(id__gt=OuterRef("usage__id"))
    used = users.filter(~Exists(newer), usage__unit_cost__isnull=False)
    return [used.annotate(key=F("usage__id")), never]
