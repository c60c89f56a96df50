"""GET /ai-chat/search, and the rail's search."""

import re
from datetime import timedelta
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ai_chat.conversations.search import find_matches
from ai_chat.conversations.words import words_of
from ai_chat.models import Attachment, Conversation, ImageRequest, SearchEntry, Turn
from credits.models import User
from tests.ai_chat.conversations.test_words import TEXTS
from tests.ai_chat.turns import make_turn
from tests.factories import make_charge

HTMX = {"HX-Request": "true"}


@pytest.fixture
def reader(alice: User, client: Client) -> Client:
    client.force_login(alice)
    return client


@pytest.fixture
def chat(alice: User) -> Conversation:
    return Conversation.objects.create(user=alice, title="About the sea")


def texts(user: User, search: str) -> list[str]:
    return [match.text for match in find_matches(user_id=user.pk, search=search).rows]


def make_pictures(chat: Conversation, prompt: str) -> ImageRequest:
    charge = make_charge(chat.user)
    return ImageRequest.objects.create(
        user=chat.user, conversation=chat, charge_id=charge.id, model="painter", prompt=prompt,
        size="512x512", count=1, state=ImageRequest.State.DELIVERED,
    )  # fmt: skip


@pytest.mark.parametrize(
    "search",
    [
        "lanterns",
        "LANTERNS",
        "lant",
        "ocean lanterns",
        "lanterns ocean",
        "łanterns",
        "Öcean lantern",
    ],
)
def test_a_word_of_an_answer_is_found_and_its_place_is_shown_and_jumped_to(
    reader: Client, chat: Conversation, search: str
) -> None:
    turn = make_turn(chat, "Who lights it?", "Over the ocean hang <b>lanterns</b>.")
    make_turn(chat, "And else?", "Nobody.")
    for address, headers in (("/ai-chat/search", {}), ("/ai-chat/conversations", HTMX)):
        page = reader.get(address, {"q": search}, headers=headers).text
        assert f'href="/ai-chat/{chat.pk}?entry={turn.pk}#turn-{turn.pk}"' in page
        assert re.search("<mark>lanterns</mark>", page)
        assert "&lt;b&gt;" in page and "<b>" not in page.replace("<b><svg", "")
        assert "Nobody" not in page
    assert f'id="turn-{turn.pk}"' in reader.get(f"/ai-chat/{chat.pk}?entry={turn.pk}").text


def test_questions_prompts_of_pictures_names_of_files_and_titles_are_searched(
    alice: User, chat: Conversation
) -> None:
    file = Attachment.objects.create(
        user=alice, conversation=chat, name="Überblick_2024.pdf", kind="pdf", file="x", bytes=1
    )
    make_turn(chat, "Read this", "Read.", attachments=[file.pk])
    make_pictures(chat, "A whale at dawn")
    assert texts(alice, "uberblick pdf") == ["Überblick_2024.pdf"]
    assert texts(alice, "dawn") == ["A whale at dawn"]
    assert texts(alice, "read") == ["Read this"]
    assert texts(alice, "sea about") == ["About the sea"]
    assert texts(alice, "sea dawn") == []
    Conversation.objects.filter(pk=chat.pk).update(title="Of ships")
    assert texts(alice, "sea") == []
    assert texts(alice, "ships") == ["Of ships"]


def test_titles_come_first_then_the_latest_places(alice: User, chat: Conversation) -> None:
    now = timezone.now()
    make_turn(chat, "The sea is blue", "Yes.", created_at=now - timedelta(minutes=1))
    make_turn(chat, "The sea is wide", "Yes.", created_at=now)
    assert texts(alice, "sea") == ["About the sea", "The sea is wide", "The sea is blue"]


def test_an_answer_on_another_version_is_found_and_shown(
    reader: Client, alice: User, chat: Conversation
) -> None:
    first = make_turn(chat, "Tell me", "Once there was a heron.")
    second = make_turn(chat, "Tell me", "A stork.", parent=None)
    assert chat.current == second.pk
    page = reader.get("/ai-chat/search", {"q": "heron"}).text
    address = unescape(re.findall('href="(/ai-chat/[^"]*entry[^"]*)"', page)[0])
    assert f'id="turn-{first.pk}"' in reader.get(address).text


ODD = [
    "'", "''", '"', "\\", "a & b", "a | !b", "a <-> b", ":*", "a:*", "(", "x\0y", "\0", " ", "%",
    "_", "🎉", "a" * 100, "'; DROP TABLE x; --", "\ud7a4", "ﷺ", "-a", "1e5", "\u202e", "a'b\\'c",
]  # fmt: skip


@pytest.mark.parametrize("search", ODD)
def test_whatever_is_searched_for_is_text(reader: Client, chat: Conversation, search: str) -> None:
    make_turn(chat, "Hi", "Hello.")
    assert reader.get("/ai-chat/search", {"q": search}).status_code == 200
    assert reader.get("/ai-chat/conversations", {"q": search}, headers=HTMX).status_code == 200
    assert reader.get("/api/chats", {"q": search}).status_code in {200, 400}


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(data=st.data(), text=TEXTS)
def test_any_word_of_any_text_finds_it_and_nobody_elses(
    alice: User, bob: User, data: Any, text: str
) -> None:
    chat = Conversation.objects.create(user=alice, title="x")
    turn = _written(chat, text)
    words = words_of(text)
    if words:
        picked = data.draw(st.lists(st.sampled_from(words), min_size=1, max_size=4))
        search = " ".join(picked)[:100]
        matches = find_matches(user_id=alice.pk, search=search).rows
        assert turn.pk in {match.entry for match in matches}
        assert not find_matches(user_id=bob.pk, search=search).rows
    chat.delete()


def _written(chat: Conversation, answer: str) -> Turn:
    """A turn with this answer, which costs the ledger nothing."""
    return Turn.objects.create(
        pk=uuid4(), user=chat.user, conversation=chat, model="x", prompt="", answer=answer,
        state=Turn.State.IMPORTED,
    )  # fmt: skip


def test_what_is_deleted_is_found_no_more(alice: User, chat: Conversation) -> None:
    make_turn(chat, "Hi", "A heron.")
    pictures = make_pictures(chat, "A heron at dawn")
    assert len(texts(alice, "heron")) == 2
    pictures.delete()
    assert texts(alice, "heron") == ["Hi"] or texts(alice, "heron") == ["A heron."]
    chat.delete()
    assert not SearchEntry.objects.exists()


def test_pictures_that_outlive_their_chat_are_no_place(alice: User, chat: Conversation) -> None:
    pictures = make_pictures(chat, "A heron at dawn")
    chat.delete()
    assert ImageRequest.objects.filter(pk=pictures.pk, conversation=None).exists()
    assert not SearchEntry.objects.exists()


def test_archived_chats_are_found_and_marked(reader: Client, chat: Conversation) -> None:
    make_turn(chat, "Hi", "A heron.")
    reader.post(f"/ai-chat/{chat.pk}/change", {"do": "archive"})
    page = reader.get("/ai-chat/search", {"q": "heron"}).text
    assert "archived</span>" in page and str(chat.pk) in page


def test_a_search_goes_on_over_pages(reader: Client, chat: Conversation) -> None:
    turns = [make_turn(chat, f"Heron {number}", "Yes.") for number in range(25)]
    page = reader.get("/ai-chat/search", {"q": "heron"}).text
    assert page.count("?entry=") == 20
    older = unescape(re.findall('rel="next" href="([^"]*)"', page)[0])
    rest = reader.get(older).text
    assert rest.count("?entry=") == 5
    assert all((f"entry={turn.pk}" in page) != (f"entry={turn.pk}" in rest) for turn in turns)
    back = unescape(re.findall('rel="prev" href="([^"]*)"', rest)[0])
    assert reader.get(back).text.count("?entry=") == 20


def test_of_a_long_text_the_place_is_shown(alice: User, chat: Conversation) -> None:
    make_turn(chat, "Hi", "word " * 5000 + "the heron " + "tail " * 5000)
    (shown,) = texts(alice, "heron")
    assert "the heron tail" in shown and len(shown) < 250


def test_a_search_that_is_too_long_is_refused_and_given_back(reader: Client) -> None:
    answer = reader.get("/ai-chat/search", {"q": "y" * 101})
    assert answer.status_code == 400
    assert "Search for at most 100 characters." in answer.text
    assert f'value="{"y" * 101}"' in answer.text
