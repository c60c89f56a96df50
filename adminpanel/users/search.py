"""Finding people among a million of them, and a page of them with what they have.

Search goes by the beginnings of words in e-mail and name, by the beginning of a Clerk id, or by an
id of ours: indexes that every PostgreSQL has (`adminpanel/sql/people.sql`). Pages are cut by the
sort's key and the id, so that ties and newcomers shift nothing."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import (
    BooleanField,
    Count,
    Exists,
    F,
    Func,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    TextChoices,
    Value,
)
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Coalesce, Now

from adminpanel.forms import LONGEST_ID
from config.pagination import Key, Page, paginate
from credits.models import (
    CreditBalance,
    Hold,
    Identity,
    PayerKind,
    SubscriptionItem,
    UsageHistory,
    User,
)
from credits.models.subscriptions import EARNING

PAGE = 50
#: Up to so many matches of a search are read before the list is sorted.
PREFETCHED = 1000
CLERK_ID = "user_"
#: Subscription items that stand for a plan somebody has; a canceled one lasts until its end, and a
#: failed payment may still be made good.
CURRENT = [*sorted(EARNING), "past_due"]

type People = QuerySet[User]


class State(TextChoices):
    ACTIVE = "active", "Active"
    INACTIVE = "inactive", "Deactivated"
    GONE = "gone", "Deleted at Clerk"
    ADMIN = "admin", "Admins (staff)"


class Sort(TextChoices):
    NEWEST = "newest", "Newest"
    MOST = "most", "Highest balance"
    LEAST = "least", "Lowest balance"
    USED = "used", "Last use"


#: For the filter by plan: people without one.
NO_PLAN = "none"


def find_users(
    *,
    search: str = "",
    low: int | None = None,
    high: int | None = None,
    plan: str = "",
    signed_in: int | None = None,
    state: str = "",
) -> People:
    """Users that match, each with `credits` (also what has expired but was not posted yet) and
    `last_usage` (the id of their newest journal row).

    `search` is the beginning of a Clerk id, an id of ours, or words; `low` and `high` bound the
    balance, `plan` is a Clerk id or NO_PLAN, `signed_in` are days."""
    # Looked up for the rows of a page only: a join would come before the sort.
    balance = CreditBalance.objects.filter(account=OuterRef("pk"))
    users = User.objects.annotate(
        credits=Coalesce(Subquery(balance.values("credits_remaining")), 0),
        last_usage=Subquery(balance.values("last_usage_id")),
    )
    if low:
        users = users.filter(credit_balance__credits_remaining__gte=low)
    if high is not None:
        some = Q(credit_balance__credits_remaining__lte=high)
        users = users.filter(some | Q(credit_balance__isnull=True))
    if search:
        users = users.filter(_matches(search))
    if signed_in:
        users = users.filter(last_login__gte=Now() - timedelta(days=signed_in))
    if plan == NO_PLAN:
        users = users.exclude(Exists(_items()))
    elif plan:
        users = users.filter(Exists(_items().filter(plan_id=plan)))
    return users.filter(_STATES[state]) if state else users


_STATES: dict[str, Q] = {
    State.ACTIVE: Q(is_active=True),
    State.INACTIVE: Q(is_active=False),
    State.GONE: Q(clerk_identity__deleted_at__isnull=False),
    State.ADMIN: Q(is_staff=True),
}


def _matches(search: str) -> Q:
    if search.startswith(CLERK_ID):
        return Q(clerk_id__startswith=search)
    person = Func(F("email"), F("name"), function="adminpanel_person")
    words = Func(Value(search), function="adminpanel_person_query")
    matches = Q(CombinedExpression(person, "@@", words, output_field=BooleanField()))
    # The planner cannot know how rare a word's beginning is: asked to sort, it walks through
    # a million people (25 s). So the index is asked first, and a few matches are named by id.
    ids = list(
        User.objects.filter(matches).order_by().values_list("pk", flat=True)[: PREFETCHED + 1]
    )
    if search.isascii() and search.isdecimal() and len(search) <= LONGEST_ID:
        ids.append(int(search))
    return matches if len(ids) > PREFETCHED else Q(pk__in=ids)


def _items() -> QuerySet[SubscriptionItem]:
    """What the user of the query around it subscribes to now."""
    return SubscriptionItem.objects.filter(
        payer_kind=PayerKind.USER, payer_id=OuterRef("clerk_id"), status__in=CURRENT
    )


def subscribers(plans: Iterable[str]) -> dict[str, int]:
    """How many people have each of these plans: those whom `find_users` finds by it."""
    plans = list(plans)
    someone = User.objects.filter(clerk_id=OuterRef("payer_id"))
    items = SubscriptionItem.objects.filter(
        Exists(someone), payer_kind=PayerKind.USER, status__in=CURRENT, plan_id__in=plans
    )
    counted = items.order_by().values_list("plan_id").annotate(Count("payer_id", distinct=True))
    return dict.fromkeys(plans, 0) | dict(counted)


def _charges() -> QuerySet[UsageHistory]:
    return UsageHistory.objects.filter(account=OuterRef("pk"), unit_cost__isnull=False)


# A list in parts, one behind the other, each with a `key` that falls. A balance of 0 may have no
# row, and no use has none: apart from these the others need no outer join to be sorted.


def _by_balance(users: People, *, lowest_first: bool) -> list[QuerySet[Any]]:
    balance = F("credit_balance__credits_remaining")
    some = users.filter(credit_balance__credits_remaining__gt=0)
    zero = Q(credit_balance__isnull=True) | Q(credit_balance__credits_remaining=0)
    none = users.filter(zero).annotate(key=Value(0))
    if lowest_first:
        return [none, some.annotate(key=-balance)]
    return [some.annotate(key=balance), none]


def _by_use(users: People, *, searched: bool) -> list[QuerySet[Any]]:
    """By the id of the newest charge, the latest first."""
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


def get_page(
    users: People,
    *,
    sort: str = Sort.NEWEST,
    searched: bool = False,
    older_than: Key | None = None,
    newer_than: Key | None = None,
) -> Page[Any]:
    """A page of users in the order of `sort`, each with `credits`, `held`, `plans`, `last_use`
    and `limited`: whether a limit is reached.
    `searched`: words found `users`."""
    if sort == Sort.USED:
        parts = _by_use(users, searched=searched)
    elif sort in {Sort.MOST, Sort.LEAST}:
        parts = _by_balance(users, lowest_first=sort == Sort.LEAST)
    else:
        parts = [users.annotate(key=Value(0))]
    return paginate(
        lambda reading: reading.of(*map(_with_facts, parts)),
        size=PAGE,
        order=("-key", "-pk"),
        older_than=older_than,
        newer_than=newer_than,
    )


def _with_facts(users: People) -> People:
    """With all that the page shows: looked up for its rows only, after it was cut."""
    holds = Hold.objects.filter(account=OuterRef("pk")).order_by().values("account")
    held = holds.annotate(total=Sum("charge__credits_used")).values("total")
    return users.annotate(
        held=Coalesce(Subquery(held), 0),
        last_use=Subquery(_charges().order_by("-id").values("created_at")[:1]),
        plans=ArraySubquery(_items().order_by("plan_name").values("plan_name").distinct()),
        limited=Func(F("pk"), function="credits_limit_is_reached", output_field=BooleanField()),
        gone=Exists(Identity.objects.filter(user=OuterRef("pk"), deleted_at__isnull=False)),
    )
