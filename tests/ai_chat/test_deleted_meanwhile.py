"""A conversation is deleted in one tab while a message goes into it from another."""

from copy import copy

import pytest
from django.db import transaction

from ai_chat.conversations.services import delete_conversation
from ai_chat.conversations.turns import start_turn
from ai_chat.jobs.errors import TurnRunning
from ai_chat.models import Conversation, Turn
from credits.ledger import get_balance
from credits.models import User
from tests.ai_chat.turns import text_model
from tests.parallel import backend_pid, in_background, wait_until_blocked

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def conversation(alice: User) -> Conversation:
    return Conversation.objects.create(user=alice, title="Doomed")


def send(conversation: Conversation) -> Turn:
    turn, _ = start_turn(
        user_id=conversation.user_id,
        conversation=conversation,
        text="Hello",
        model=text_model(),
        idempotency_key="meanwhile",
    )
    return turn


def test_a_message_that_comes_too_late_begins_a_conversation(conversation: Conversation) -> None:
    with transaction.atomic():
        delete_conversation(conversation=copy(conversation))
        sending = in_background(lambda: send(conversation))
        wait_until_blocked(by=backend_pid())
    turn = sending.result()
    assert Conversation.objects.get().pk == turn.conversation_id
    assert get_balance(user_id=turn.conversation.user_id)[:2] == (99, 1)


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
