"""GET /ai-chat/charges/{charge}: from a line of the statement to what it paid for."""

import pytest
from django.test import Client

from ai_chat.models import Conversation, ImageRequest, Turn
from credits.models import User
from tests.factories import make_charge


@pytest.fixture
def browser(alice: User, client: Client) -> Client:
    client.force_login(alice)
    return client


def make_turn(conversation: Conversation) -> Turn:
    return Turn.objects.create(
        user=conversation.user, conversation=conversation,
        charge_id=make_charge(conversation.user).id, model="m",
        prompt="p", answer="a", state=Turn.State.ANSWERED,
    )  # fmt: skip


def make_request(user: User, state: ImageRequest.State) -> ImageRequest:
    return ImageRequest.objects.create(
        user=user, charge_id=make_charge(user).id, model="m", prompt="p", size="8x8", count=1,
        state=state,
    )  # fmt: skip


def test_a_line_leads_to_its_answer_and_a_deleted_one_says_so(browser: Client, alice: User) -> None:
    conversation = Conversation.objects.create(user=alice, title="c")
    turn = make_turn(conversation)
    line = f"/ai-chat/charges/{turn.charge_id}"
    assert line in browser.get("/usage").text
    place = f"/ai-chat/{conversation.pk}?entry={turn.pk}#turn-{turn.pk}"
    assert browser.get(line)["Location"] == place
    conversation.delete()
    answer = browser.get(line, follow=True)
    assert answer.redirect_chain[0][0] == f"/usage?row={turn.charge_id}#row-{turn.charge_id}"
    assert "What this paid for is deleted." in answer.text


def test_an_answer_far_up_is_on_the_page_that_it_leads_to(browser: Client, alice: User) -> None:
    conversation = Conversation.objects.create(user=alice, title="c")
    turns = [make_turn(conversation) for _ in range(55)]
    for turn in (turns[0], turns[20], turns[-1]):
        answer = browser.get(f"/ai-chat/charges/{turn.charge_id}", follow=True)
        assert f'id="turn-{turn.pk}"' in answer.text


def test_images_are_found_in_the_gallery_while_there_are_any(browser: Client, alice: User) -> None:
    failed = make_request(alice, ImageRequest.State.FAILED)
    gone = make_request(alice, ImageRequest.State.DELIVERED)
    answer = browser.get(f"/ai-chat/charges/{failed.charge_id}")
    assert answer["Location"] == f"/images#made-{failed.pk}"
    answer = browser.get(f"/ai-chat/charges/{gone.charge_id}")
    assert answer["Location"].startswith("/usage?row=")
