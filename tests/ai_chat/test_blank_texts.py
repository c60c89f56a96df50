"""A text of characters that nobody can see is refused like a blank one, and costs nothing."""

import pytest
from django.test import Client

from ai_chat.models import Conversation, ImageRequest, Turn
from ai_chat.titles import title_of
from credits.catalogue.fields import one_line
from credits.clerk.parsing import as_text
from credits.ledger import get_balance
from credits.models import User
from tests.api import Api
from tests.credits.users.conftest import Browser

INVISIBLE = ["\u200b\ufeff", "\u202e", " \u2800\n", "\u00ad\u3164"]
pytestmark = pytest.mark.parametrize("text", INVISIBLE)


@pytest.mark.django_db(transaction=True)
def test_messages_and_images_are_refused_before_the_charge(alice: User, text: str) -> None:
    page, program = Client(), Api(alice)
    page.force_login(alice)
    sent = page.post("/ai-chat", {"message": text})
    painted = page.post("/images", {"message": text})
    assert (sent.status_code, painted.status_code) == (400, 400)
    assert "Write a message first." in sent.content.decode()
    assert "Describe the image first." in painted.content.decode()
    message = {"role": "user", "parts": [{"type": "text", "text": text}]}
    asked = program.send("POST", "/api/ai/chat", {"messages": [message]})
    wanted = program.send("POST", "/api/ai/image", {"prompt": text})
    assert (asked.status_code, wanted.status_code) == (400, 400)
    assert not Turn.objects.exists()
    assert not ImageRequest.objects.exists()
    assert get_balance(user_id=alice.pk).remaining == 100


def test_a_title_stays_visible(alice: User, client: Client, text: str) -> None:
    client.force_login(alice)
    conversation = Conversation.objects.create(user=alice, title="Before")
    for title in (text, text * 120 + "x"):
        client.post(f"/ai-chat/{conversation.pk}/rename", {"title": title})
        conversation.refresh_from_db()
        assert conversation.title == "Before"
    assert title_of(text * 40 + "Hello") == "Hello"


def test_a_name_is_seen_or_empty(alice: User, text: str) -> None:
    browser = Browser()
    browser.client.force_login(alice)
    browser.send("/account", name=text, email=alice.email)
    alice.refresh_from_db()
    assert alice.name == ""
    assert not one_line(150).accepts(text), "Names of plans, and reasons of admins."
    assert as_text(text, 80) == "", "Names that Clerk sends."
