"""How much of a conversation the model knows: as `history` counts it, and as the composer says."""

import re
from typing import Any

import pytest
from django.test import Client

from ai_chat import offer
from ai_chat.conversations import history as history_module
from ai_chat.conversations.drafts import Draft
from ai_chat.conversations.history import Context, history
from ai_chat.conversations.path import end_of
from ai_chat.models import Conversation
from credits.models import User
from credits.reasons import Reason
from tests.ai_chat.turns import fail, make_turn, text_model

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def conversation(alice: User) -> Conversation:
    return Conversation.objects.create(user=alice, title="A chat")


def context(conversation: Conversation, prompt: str = "Now?", **model: Any) -> Context:
    draft = Draft(user_id=conversation.user_id, text=prompt, place=end_of(conversation))
    full, sizes = (
        history(draft, text_model(**model), only_sizes=is_rough) for is_rough in (False, True)
    )
    assert full[1:] == sizes[1:], "Sizes alone say the same."
    return full


def counted(conversation: Conversation) -> tuple[int, int, int]:
    known = context(conversation)
    return known.known, known.of, known.percent


def test_all_is_known_while_it_fits(conversation: Conversation, settings: Any) -> None:
    settings.HISTORY_MAX_CHARACTERS = 1000
    assert counted(conversation) == (0, 0, 1)
    make_turn(conversation, "q" * 40, "a" * 56)
    fail(conversation, "x" * 200, Reason.REFUSED)  # It is not sent again.
    assert counted(conversation) == (1, 1, 10)
    fail(conversation, "q" * 98, Reason.CUT_OFF)  # The next message is joined to it.
    assert counted(conversation) == (2, 2, 20)


def test_what_does_not_fit_is_not_known(conversation: Conversation, settings: Any) -> None:
    settings.HISTORY_MAX_CHARACTERS = 1000
    for _ in range(10):
        make_turn(conversation, "q" * 100, "a" * 100)
    known = context(conversation)
    assert (known.known, known.of) == (4, 10)
    assert 80 < known.percent <= 100
    assert context(conversation, "x" * 400).known == 3, "A long message takes its room."
    small = context(conversation, context_tokens=1100, output_tokens=800)
    assert small.known == 2, "A model that reads less knows less."


def test_nothing_of_the_first_message_is_counted_twice(conversation: Conversation) -> None:
    fail(conversation, "First?", Reason.CUT_OFF)
    assert counted(conversation)[:2] == (1, 1)


def gauge(user: User, conversation: Conversation | None, **query: str) -> str:
    client = Client()
    client.force_login(user)
    path = f"/ai-chat/{conversation.pk}" if conversation else "/ai-chat"
    headers = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{path}"}
    offers = client.get("/ai-chat/offer", query, headers=headers).text
    page = client.get(path).text
    line = re.compile(r'<p class="gauge[^>]*>(.*?)</p>', re.DOTALL)
    shown = [line.search(each) for each in (offers, page)]
    words = {" ".join(re.sub("<.*?>", "", each[1]).split()) if each else "" for each in shown}
    return words.pop() if len(words) == 1 else str(words)


def test_the_composer_says_it(
    conversation: Conversation, alice: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.HISTORY_MAX_CHARACTERS = 1000
    text_model()
    assert gauge(alice, None) == ""
    assert gauge(alice, conversation) == "", "Nothing has been said."
    make_turn(conversation, "q" * 100, "a" * 276)
    assert gauge(alice, conversation) == "38 % of what the model can read"
    for _ in range(9):
        make_turn(conversation, "q" * 100, "a" * 100)
    assert gauge(alice, conversation) == "The model knows the last 5 of 10 messages"
    for module in (history_module, offer):
        monkeypatch.setattr(module, "MAX_TURNS", 10)
    make_turn(conversation, "q", "a")
    assert gauge(alice, conversation) == "The model knows the last 5 of over 10 messages"


def test_the_button_is_sent_again_when_only_the_gauge_changed(
    conversation: Conversation, alice: User
) -> None:
    make_turn(conversation, "q" * 100, "a" * 276)
    client = Client()
    client.force_login(alice)
    path = f"http://testserver/ai-chat/{conversation.pk}"
    headers = {"HX-Request": "true", "HX-Current-URL": path}
    page = client.get("/ai-chat/offer", headers=headers).text
    shown = re.search(r'name="shown" value="([^"]+)"', page)
    assert shown
    query = {"shown": shown[1]}
    assert client.get("/ai-chat/offer", query, headers=headers).status_code == 204
    make_turn(conversation, "q" * 1000, "a" * 1000)
    assert client.get("/ai-chat/offer", query, headers=headers).status_code == 200
