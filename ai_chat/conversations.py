"""Reading and keeping conversations; money is not touched here."""

from collections.abc import Sequence

from django.db import transaction
from django.db.models import QuerySet

from ai_chat.models import Conversation, Turn
from ai_chat.turns import reconcile

TURNS_SHOWN = 50
CONVERSATIONS_SHOWN = 40


class TurnRunning(Exception):
    """An answer is still being written in this conversation."""


def recent_conversations(*, user_id: int, search: str = "") -> QuerySet[Conversation]:
    """The user's conversations, the latest first; `search` looks into titles and messages."""
    own = Conversation.objects.filter(user_id=user_id).order_by("-active_at")
    if search:
        found = Turn.objects.filter(conversation__user_id=user_id, prompt__icontains=search)
        own = own.filter(title__icontains=search) | own.filter(
            pk__in=found.values("conversation_id")
        )
    return own[:CONVERSATIONS_SHOWN]


def latest_turns(
    conversation: Conversation, *, before: Turn | None = None
) -> tuple[Sequence[Turn], bool]:
    """The last TURNS_SHOWN turns, oldest first, and whether there are earlier ones."""
    turns = conversation.turns.select_related("charge", "refund").order_by("-created_at")
    if before:
        turns = turns.filter(created_at__lt=before.created_at)
    page = list(turns[: TURNS_SHOWN + 1])
    shown = [reconcile(turn) for turn in reversed(page[:TURNS_SHOWN])]
    return shown, len(page) > TURNS_SHOWN


def rename_conversation(*, conversation: Conversation, title: str) -> None:
    """Gives the conversation another title, if there is anything in it."""
    title = " ".join(title.split())[:120]
    if title:
        Conversation.objects.filter(pk=conversation.pk).update(title=title)


@transaction.atomic
def delete_conversation(*, conversation: Conversation) -> None:
    """Deletes a conversation with its turns; the ledger keeps what they cost.

    Raises TurnRunning: an answer that is being written has a hold to end.
    """
    turns = list(conversation.turns.select_for_update().filter(state=Turn.State.RUNNING))
    if any(reconcile(turn).is_running for turn in turns):
        raise TurnRunning
    conversation.delete()
