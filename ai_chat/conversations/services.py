"""Reading and keeping conversations; money is not touched here."""

from django.db import transaction

from ai_chat.attachments.services import delete_files_of
from ai_chat.jobs.ending import reconcile
from ai_chat.jobs.errors import TurnRunning
from ai_chat.models import Conversation, Turn
from config.errors import InvalidInput
from config.text import as_uuid, is_blank, on_one_line

LONGEST_TITLE = 120


class InvalidTitle(InvalidInput):
    """A conversation cannot be called that; the text says why, for people."""

    path = ("title",)


def find_conversation(*, user_id: int, name: str) -> Conversation | None:
    """The user's conversation that a client of the API calls `name`: by the id that it gave, or by
    ours."""
    if "\0" in name:
        return None
    own = Conversation.objects.filter(user_id=user_id)
    if conversation := own.filter(external_id=name).first():
        return conversation
    key = as_uuid(name)
    return own.filter(pk=key).first() if key else None


def running_turn(conversation: Conversation) -> Turn | None:
    """The turn whose answer is being written in the conversation now, by whichever process."""
    running = Turn.with_receipt().filter(conversation=conversation, state=Turn.State.RUNNING)
    turns = map(reconcile, running.order_by("-created_at"))
    return next((turn for turn in turns if turn.is_running), None)


def find_turn(conversation: Conversation, name: str) -> Turn | None:
    """The turn whose answer a client of the API calls `name`."""
    key = as_uuid(name)
    return conversation.turns.filter(pk=key).first() if key else None


def find_answered(conversation: Conversation, *, name: str, prompt: str) -> Turn | None:
    """The same; else the latest turn with this prompt."""
    alike = conversation.turns.filter(prompt=prompt).order_by("-created_at")
    return find_turn(conversation, name) or alike.first()


def last_model(*, user_id: int) -> str:
    """The model of the latest turn in the user's latest conversation that has one and is not
    temporary; "" without any."""
    turns = Turn.objects.values_list("model", flat=True)
    own = turns.filter(conversation__user_id=user_id, conversation__expires_at=None)
    return own.order_by("-conversation__active_at", "-created_at").first() or ""


def rename_conversation(*, conversation: Conversation, title: str) -> None:
    """Gives the conversation another title, if there is anything to see in it; no model changes it
    any more. Raises InvalidTitle."""
    title = on_one_line(title)
    if len(title) > LONGEST_TITLE:
        raise InvalidTitle(
            f"A title has at most {LONGEST_TITLE} characters; this one has {len(title):,}."
        )
    if not is_blank(title):
        own = Conversation.objects.filter(pk=conversation.pk)
        own.update(title=title, title_is_chosen=True)


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
