"""The rail's list and the page of all chats."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from ai_chat.conversations.lists import period_of, rail
from ai_chat.models import Conversation, Folder
from credits.models import User

HTMX = {"HX-Request": "true"}


@pytest.fixture
def reader(alice: User, client: Client) -> Client:
    client.force_login(alice)
    return client


def make_chats(user: User, many: int, **columns: object) -> list[Conversation]:
    """Chats of the last hours, the latest first."""
    now = timezone.now()
    return [
        Conversation.objects.create(
            user=user, title=f"Chat {number}.", active_at=now - timedelta(hours=number), **columns
        )
        for number in range(many)
    ]


def titles(page: str) -> list[str]:
    return re.findall(r"(Chat \d+\.)</a>", page)


def older(page: str) -> str:
    return unescape(re.findall(r'hx-get="(/ai-chat/conversations\?before=[^"]*)"', page)[0])


def test_the_rails_list_goes_on_after_forty_chats(reader: Client, alice: User) -> None:
    chats = [each.title for each in make_chats(alice, 85)]
    page = reader.get("/ai-chat").text
    assert titles(page) == chats[:40]
    second = reader.get(older(page), headers=HTMX).text
    assert titles(second) == chats[40:80]
    third = reader.get(older(second), headers=HTMX).text
    assert titles(third) == chats[80:]
    assert "Show more" not in third
    headings = re.findall("<h2>(.*?)</h2>", page) + re.findall("<h2>(.*?)</h2>", second)
    assert len(headings) == len(set(headings)), "A heading stands again where the list goes on."


def test_without_scripts_the_list_goes_on_as_pages(reader: Client, alice: User) -> None:
    chats = [each.title for each in make_chats(alice, 45)]
    link = re.findall(r'href="(/ai-chat/all\?before=[^"]*)"', reader.get("/ai-chat").text)[0]
    assert titles(reader.get(unescape(link)).text) == chats[40:]
    moved = reader.get("/ai-chat/conversations", {"q": "Chat 44"})
    assert (moved.status_code, moved["Location"]) == (302, "/ai-chat/search?q=Chat+44")


@pytest.mark.parametrize("cursor", ["x", "1.2", "\0", "9" * 17 + "." + "0" * 32, "-1." + "f" * 32])
def test_a_cursor_that_is_none_begins_the_list(reader: Client, alice: User, cursor: str) -> None:
    make_chats(alice, 2)
    for path in ("/ai-chat/conversations", "/ai-chat/all", "/ai-chat/search"):
        for name in ("before", "after"):
            query = {name: cursor, "q": "Chat" if path.endswith("search") else ""}
            assert reader.get(path, query, headers=HTMX).status_code == 200


def test_pinned_chats_stand_on_top_and_those_in_folders_in_them(alice: User) -> None:
    folder = Folder.objects.create(user=alice, name="Work")
    pinned, filed, usual, archived, temporary = make_chats(alice, 5)
    Conversation.objects.filter(pk=pinned.pk).update(pinned_at=timezone.now(), folder=folder)
    Conversation.objects.filter(pk=filed.pk).update(folder=folder)
    Conversation.objects.filter(pk=archived.pk).update(archived_at=timezone.now())
    Conversation.objects.filter(pk=temporary.pk).update(expires_at=timezone.now())
    shown = rail(user_id=alice.pk)
    assert list(shown.pinned) == [pinned]
    assert [(each.name, list(each.listed)) for each in shown.folders] == [("Work", [filed])]  # type: ignore[attr-defined]
    assert shown.page.rows == [usual]


def test_archived_chats_are_a_list_of_their_own(reader: Client, alice: User) -> None:
    make_chats(alice, 2)
    Conversation.objects.filter(title="Chat 1.").update(archived_at=timezone.now())
    assert titles(reader.get("/ai-chat/all").text) == ["Chat 0."]
    assert titles(reader.get("/ai-chat/all?in=archived").text) == ["Chat 1."]


def test_a_folders_page_is_its_owners(reader: Client, alice: User, bob: User) -> None:
    folder = Folder.objects.create(user=bob, name="Secret plans")
    make_chats(bob, 1, folder=folder)
    page = reader.get(f"/ai-chat/all?folder={folder.pk}").text
    assert "Secret plans" not in page and titles(page) == []


def test_headings_are_today_yesterday_a_week_and_months() -> None:
    now = timezone.now()
    assert period_of(now) == "Today"
    assert period_of(now - timedelta(days=1)) == "Yesterday"
    assert period_of(now - timedelta(days=7)) == "Previous 7 days"
    assert period_of(now.replace(year=now.year - 1, month=5, day=4)) == f"May {now.year - 1}"


def test_the_number_of_queries_does_not_grow_with_the_chats(
    reader: Client, alice: User, django_assert_max_num_queries: Any
) -> None:
    folders = [Folder.objects.create(user=alice, name=f"F{number}") for number in range(12)]
    for folder in folders:
        make_chats(alice, 3, folder=folder)
    with django_assert_max_num_queries(6):
        shown = rail(user_id=alice.pk)
        assert all(len(each.listed) == 3 for each in shown.folders)  # type: ignore[attr-defined]
