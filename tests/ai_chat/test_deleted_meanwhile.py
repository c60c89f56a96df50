"""A conversation is deleted in one tab while a message goes into it from another."""

from copy import copy
from uuid import uuid4

import pytest
from django.db import transaction
from django.utils import timezone

from ai_chat.conversations.drafts import Draft
from ai_chat.conversations.entries import shown_entries
from ai_chat.conversations.path import beside
from ai_chat.conversations.services import delete_conversation
from ai_chat.conversations.turns import start_turn
from ai_chat.images.requests import delete_request
from ai_chat.jobs.errors import TurnRunning
from ai_chat.models import Conversation, Folder, ImageRequest, Turn
from credits.ledger import get_balance
from credits.models import User
from tests.ai_chat.turns import charge_turn, make_turn, text_model
from tests.factories import make_charge
from tests.parallel import backend_pid, in_background, wait_until_blocked

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def conversation(alice: User) -> Conversation:
    return Conversation.objects.create(user=alice, title="Doomed")


def send(conversation: Conversation) -> Turn:
    return charge_turn(conversation.user, conversation=conversation)


def test_a_message_that_comes_too_late_begins_a_conversation(conversation: Conversation) -> None:
    with transaction.atomic():
        delete_conversation(conversation=copy(conversation))
        sending = in_background(lambda: send(conversation))
        wait_until_blocked(by=backend_pid())
    turn = sending.result()
    assert Conversation.objects.get().pk == turn.conversation_id
    assert get_balance(user_id=turn.conversation.user_id)[:2] == (99, 1)


def test_it_begins_one_like_that_which_is_gone(conversation: Conversation) -> None:
    folder = Folder.objects.create(user=conversation.user, name="Work")
    conversation.folder = folder
    conversation.instructions, conversation.temperature = "Rhyme.", 0.5
    conversation.expires_at = timezone.now()
    delete_conversation(conversation=copy(conversation))
    begun = send(conversation).conversation
    begun.refresh_from_db()
    assert (begun.folder, begun.setup) == (folder, conversation.setup)
    assert begun.expires_at is not None
    Turn.objects.all().delete()
    delete_conversation(conversation=copy(begun))
    Folder.objects.all().delete()
    assert Conversation.objects.get(pk=send(begun).conversation_id).folder is None


def test_a_deletion_that_comes_too_late_finds_the_answer_being_written(
    conversation: Conversation,
) -> None:
    with transaction.atomic():
        send(conversation)
        deletion = in_background(lambda: delete_conversation(conversation=conversation))
        wait_until_blocked(by=backend_pid())
    with pytest.raises(TurnRunning):
        deletion.result()
    assert Turn.objects.get().conversation_id == conversation.pk


def test_two_deletions_are_one(conversation: Conversation) -> None:
    with transaction.atomic():
        delete_conversation(conversation=copy(conversation))
        second = in_background(lambda: delete_conversation(conversation=conversation))
        wait_until_blocked(by=backend_pid())
    second.result()
    assert not Conversation.objects.exists()


@pytest.fixture
def images(conversation: Conversation) -> ImageRequest:
    """The end of what is shown, after an answer."""
    first = make_turn(conversation, "One?", "1")
    made = ImageRequest.objects.create(
        user=conversation.user, conversation=conversation, parent=first.pk, model="m", prompt="A",
        size="8x8", count=1, state="delivered", charge_id=make_charge(conversation.user).id,
    )  # fmt: skip
    Conversation.objects.filter(pk=conversation.pk).update(current=made.pk)
    conversation.refresh_from_db()
    return made


def shown(conversation: Conversation) -> list[str]:
    conversation.refresh_from_db()
    return [entry.prompt for entry in shown_entries(conversation).entries]


def test_a_message_goes_in_while_the_images_before_it_are_deleted(
    conversation: Conversation, images: ImageRequest
) -> None:
    with transaction.atomic():
        send(conversation)
        deletion = in_background(lambda: delete_request(request=images))
        wait_until_blocked(by=backend_pid())
    deletion.result()
    assert shown(conversation) == ["One?", "Hi"]


def test_another_version_of_what_followed_images_that_are_deleted_meanwhile(
    conversation: Conversation, images: ImageRequest
) -> None:
    edited = make_turn(conversation, "Two?", "2")
    place = beside(edited)
    delete_request(request=images)
    draft = Draft(user_id=edited.user_id, text="Zwei?", place=place)
    turn, _ = start_turn(draft, text_model(), idempotency_key=uuid4().hex)
    assert "One?" in shown(conversation)
    assert turn.parent == Turn.objects.get(pk=turn.pk).parent != images.pk
