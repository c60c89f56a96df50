"""POST /ai-chat/{conversation}/rename."""

import pytest
from django.test import Client

from ai_chat.models import Conversation
from credits.models import User

TITLES = [
    ("  Two\r\n lines ", "Two lines"),
    ("a\x00b", "a b"),
    ("x" * 120, "x" * 120),
    ("<b>", "<b>"),
    (" \x00 \t", "Before"),
]


@pytest.mark.parametrize(("title", "shown"), TITLES)
def test_a_conversation_is_renamed_unless_nothing_is_left_of_the_title(
    alice: User, client: Client, title: str, shown: str
) -> None:
    client.force_login(alice)
    conversation = Conversation.objects.create(user=alice, title="Before")
    answer = client.post(f"/ai-chat/{conversation.pk}/rename", {"title": title})
    assert (answer.status_code, answer["Location"]) == (302, f"/ai-chat/{conversation.pk}")
    conversation.refresh_from_db()
    assert conversation.title == shown


def test_a_title_that_is_too_long_is_refused_and_given_back(alice: User, client: Client) -> None:
    client.force_login(alice)
    conversation = Conversation.objects.create(user=alice, title="Before")
    answer = client.post(f"/ai-chat/{conversation.pk}/rename", {"title": "x" * 121})
    assert answer.status_code == 400
    assert "A title has at most 120 characters; this one has 121." in answer.text
    assert f'value="{"x" * 121}"' in answer.text
    conversation.refresh_from_db()
    assert conversation.title == "Before"
