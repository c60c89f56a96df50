"""Reading and keeping conversations; money is not touched here."""

from contextlib import suppress
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from ai_chat.attachments.services import delete_files_of
from ai_chat.jobs.ending import reconcile
from ai_chat.jobs.errors import TurnRunning
from ai_chat.models import Conversation, Turn
from config.errors import InvalidInput
from config.text import is_blank

CONVERSATIONS_SHOWN = 40
LONGEST_TITLE = 120


class InvalidTitle(InvalidInput):
    """A conversation cannot be called that; the text says why, for people."""

    path = ("title",)


def recent_conversations(*, user_id: int, search: str = "") -> QuerySet[Conversation]:
    """The user's conversations, the latest first; `search` looks into titles and messages."""
    own = Conversation.objects.filter(user_id=user_id).order_by("-active_at")
    if search:
        turns = Turn.objects.filter(conversation__user_id=user_id, prompt__icontains=search)
        matches = own.filter(pk__in=turns.values("conversation_id"))
        own = own.filter(title__icontains=search) | matches
    return own[:CONVERSATIONS_SHOWN]


def find_conversation(*, user_id: int, name: str) -> Conversation | None:
    """The user's conversation that a client of the API calls `name`: by the id that it gave, or by
    ours."""
    if "\0" in name:
        return None
    own = Conversation.objects.filter(user_id=user_id)
    if conversation := own.filter(external_id=name).first():
        return conversation
    with suppress(ValueError):
        return own.filter(pk=UUID(name)).first()
    return None


def running_turn(conversation: Conversation) -> Turn | None:
    """The turn whose answer is being written in the conversation now, by whichever process."""
    running = Turn.with_receipt().filter(conversation=conversation, state=Turn.State.RUNNING)
    turns = map(reconcile, running.order_by("-created_at"))
    return next((turn for turn in turns if turn.is_running), None)


def find_answered(conversation: Conversation, *, name: str, prompt: str) -> Turn | None:
    """The turn whose answer a client of the API calls `name`; else the latest with this prompt."""
    with suppress(ValueError):
        if turn := conversation.turns.filter(pk=UUID(name)).first():
            return turn
    return conversation.turns.filter(prompt=prompt).order_by("-created_at").first()


def last_model(*, user_id: int, conversation: Conversation | None = None) -> str:
    """The model of the conversation's latest turn, else of the latest turn in the user's latest
    conversation that has one; "" without any."""
    turns = Turn.objects.values_list("model", flat=True)
    here = turns.filter(conversation=conversation).order_by("-created_at") if conversation else None
    if here is not None and (model := here.first()):
        return model
    own = turns.filter(conversation__user_id=user_id)
    return own.order_by("-conversation__active_at", "-created_at").first() or ""


def rename_conversation(*, conversation: Conversation, title: str) -> None:
    """Gives the conversation another title, if there is anything to see in it. Raises
    InvalidTitle."""
    title = " ".join(title.replace("\0", " ").split())
    if len(title) > LONGEST_TITLE:
        raise InvalidTitle(
            f"A title has at most {LONGEST_TITLE} characters; this one has {len(title):,}."
        )
    if not is_blank(title):
        Conversation.objects.filter(pk=conversation.pk).update(title=title)


@transaction.atomic
def delete_conversation(*, conversation: Conversation) -> None:
    """Deletes a conversation with its turns and files; the ledger keeps what they cost. Raises
    TurnRunning: an answer that is being written has a hold to end."""
    # A message that goes in at this moment is waited for, or waits and begins another conversation.
    if not Conversation.objects.select_for_update().filter(pk=conversation.pk).exists():
        return
    turns = list(conversation.turns.select_for_update().filter(state=Turn.State.RUNNING))
    if any(reconcile(turn).is_running for turn in turns):
        raise TurnRunning
    delete_files_of(conversation_id=conversation.pk)
    conversation.delete()
