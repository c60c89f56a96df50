"""What the desk tells of one person, besides the timeline: a bounded number of queries, and never
what they wrote or made."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, Sum

from ai_chat.models import Conversation, Image
from credits.models import CreditGrant, Identity, SubscriptionItem, UsageHistory, User

#: Grants of one list; the rest are counted.
GRANTS = 50
ITEMS = 20


@dataclass(frozen=True)
class Grants:
    """Some grants, each with `row_id` (its row of the journal); how many more there are."""

    shown: list[Any]
    total: int
    credits: int

    @property
    def more(self) -> int:
        return self.total - len(self.shown)


def get_grants(user: User, *, live: bool) -> Grants:
    """What still holds credits, in the order in which it is burnt; or what is over, newest
    first."""
    grants = CreditGrant.objects.filter(user=user, **{"remaining__gt" if live else "remaining": 0})
    sums = grants.aggregate(total=Count("pk"), credits=Sum("remaining", default=0))
    rows = UsageHistory.objects.filter(grant=OuterRef("pk"), credits_used__lt=0)
    grants = grants.annotate(row_id=Subquery(rows.values("pk")[:1]))
    order = [F("priority"), F("expires_at").asc(nulls_last=True), F("pk")] if live else ["-pk"]
    return Grants(list(grants.order_by(*order)[:GRANTS]), sums["total"], sums["credits"])


@dataclass(frozen=True)
class Item:
    """A subscription item: `begins` and `ends` are its current period's."""

    row: SubscriptionItem
    begins: datetime | None
    ends: datetime | None


def get_items(user: User) -> list[Item]:
    """What the person subscribes to, or did, newest first."""
    if not user.clerk_id:
        return []
    items = SubscriptionItem.objects.filter(payer_id=user.clerk_id).order_by("-pk")
    return [Item(row, _moment(row.period_start), _moment(row.period_end)) for row in items[:ITEMS]]


def _moment(milliseconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None


def get_counts(user: User) -> dict[str, int]:
    """How many conversations, answers and images; nothing of what is in them."""
    chats: QuerySet[Any] = Conversation.objects.filter(user=user)
    answered = Q(turns__isnull=False)
    counts = chats.aggregate(
        conversations=Count("pk", distinct=True), turns=Count("turns", answered)
    )
    return {**counts, "images": Image.objects.filter(request__user=user).count()}


def get_identity(user: User) -> Identity | None:
    return Identity.objects.filter(user=user).first()
