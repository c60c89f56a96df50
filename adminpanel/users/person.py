"""What a person's page shows that is not of the ledger: a bounded number of queries, and never what
they wrote or made."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Count, Q, QuerySet

from ai_chat.models import Conversation, Image
from credits.models import Identity, SubscriptionItem, User

ITEMS = 20


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
