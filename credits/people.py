"""Finding users and their balances, for admins."""

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce

from credits.models import User

#: An id of ours, as it can be searched for.
LONGEST_ID = 18


def find_users(*, search: str = "", admins: bool | None = None) -> QuerySet[User]:
    """Users whose e-mail, name, Clerk id or id matches, each with `credits` and `last_usage` (ids
    of their newest journal row). What has expired but was not posted yet is still counted."""
    users = User.objects.annotate(
        credits=Coalesce(F("credit_balance__credits_remaining"), 0),
        last_usage=F("credit_balance__last_usage_id"),
    )
    if admins is not None:
        users = users.filter(is_staff=admins)
    return users.filter(_matches(search)) if search else users


def _matches(search: str) -> Q:
    found = Q(email__icontains=search) | Q(name__icontains=search) | Q(clerk_id=search)
    if search.isascii() and search.isdecimal() and len(search) <= LONGEST_ID:
        found |= Q(pk=int(search))
    return found
