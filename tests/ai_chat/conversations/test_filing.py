"""Pinning, archiving, moving and deleting chats, one and many; folders."""

import re
from uuid import uuid4

import pytest
from django.contrib.messages import get_messages
from django.test import Client

from ai_chat.models import Conversation, Folder, Turn
from credits.models import User
from tests.ai_chat.turns import charge_turn, make_turn


@pytest.fixture
def reader(alice: User, client: Client) -> Client:
    client.force_login(alice)
    return client


def make_chats(user: User, many: int) -> list[Conversation]:
    return [
        Conversation.objects.create(user=user, title=f"Chat {number}") for number in range(many)
    ]


def change(reader: Client, *chats: Conversation, do: str, **form: str) -> list[str]:
    """Presses a button of the list; returns what the next page says."""
    ids = [str(chat.pk) for chat in chats]
    answer = reader.post("/ai-chat/all/change", {"chat": ids, "do": do, **form})
    assert answer.status_code == 302
    return [str(message) for message in get_messages(answer.wsgi_request)]


@pytest.mark.parametrize(
    ("do", "undo", "column"),
    [("pin", "unpin", "pinned_at"), ("archive", "unarchive", "archived_at")],
)
def test_a_chat_is_changed_and_changed_back(
    reader: Client, alice: User, do: str, undo: str, column: str
) -> None:
    (chat,) = make_chats(alice, 1)
    reader.post(f"/ai-chat/{chat.pk}/change", {"do": do})
    chat.refresh_from_db()
    assert getattr(chat, column) is not None
    reader.post(f"/ai-chat/{chat.pk}/change", {"do": undo})
    chat.refresh_from_db()
    assert getattr(chat, column) is None


def test_what_is_archived_is_pinned_no_more(reader: Client, alice: User) -> None:
    (chat,) = make_chats(alice, 1)
    change(reader, chat, do="pin")
    assert change(reader, chat, do="archive")[-1] == "1 chat is archived."
    chat.refresh_from_db()
    assert chat.archived_at and chat.pinned_at is None


def test_many_are_moved_to_a_folder_that_is_made_for_them(reader: Client, alice: User) -> None:
    chats = make_chats(alice, 3)
    said = change(reader, *chats[:2], do="move", folder="  Work  ")
    assert said == ["2 chats are moved to “Work”."]
    assert [*Folder.objects.get().conversations.order_by("title")] == chats[:2]
    change(reader, chats[0], do="move", folder="")
    change(reader, chats[2], do="move", folder="Work")
    assert [*Folder.objects.get().conversations.order_by("title")] == chats[1:]


def test_many_are_deleted_after_a_question_with_their_number(reader: Client, alice: User) -> None:
    chats = make_chats(alice, 3)
    charge = make_turn(chats[0], "Hi", "Hello.").charge
    ids = [str(chat.pk) for chat in chats[:2]]
    asked = reader.post("/ai-chat/all/change", {"chat": ids, "do": "delete"})
    assert "Delete 2 chats?" in asked.text and Conversation.objects.count() == 3
    said = change(reader, *chats[:2], do="delete", sure="1")
    assert said == ["2 chats are deleted. What they cost stays in your usage."]
    assert [*Conversation.objects.all()] == chats[2:]
    charge.refresh_from_db()


def test_one_in_which_an_answer_is_written_stays(reader: Client, alice: User) -> None:
    chats = make_chats(alice, 2)
    turn = charge_turn(alice, conversation=chats[0])
    said = change(reader, *chats, do="delete", sure="1")
    assert said[1].startswith("1 chat is still there: an answer is being written.")
    assert [*Conversation.objects.all()] == chats[:1]
    assert Turn.objects.filter(pk=turn.pk).exists()


@pytest.mark.parametrize("do", ["pin", "archive", "move", "delete"])
def test_nobody_changes_chats_of_others(reader: Client, bob: User, do: str) -> None:
    (chat,) = make_chats(bob, 1)
    change(reader, chat, do=do, sure="1", folder="Mine")
    chat.refresh_from_db()
    assert (chat.pinned_at, chat.archived_at, chat.folder) == (None, None, None)
    assert reader.post(f"/ai-chat/{chat.pk}/change", {"do": do}).status_code == 404


def test_nonsense_changes_nothing(reader: Client, alice: User) -> None:
    (chat,) = make_chats(alice, 1)
    assert change(reader, do="pin") == ["Choose the chats first."]
    form = {"chat": ["x", "", str(uuid4()), "\0"], "do": "explode", "back": "https://evil.example"}
    answer = reader.post("/ai-chat/all/change", form)
    assert answer["Location"] == "/ai-chat/all"
    chat.refresh_from_db()
    assert chat.pinned_at is None


def test_the_list_that_was_chosen_from_is_shown_again(reader: Client, alice: User) -> None:
    (chat,) = make_chats(alice, 1)
    form = {"chat": [str(chat.pk)], "do": "unarchive", "back": "/ai-chat/all?in=archived"}
    assert reader.post("/ai-chat/all/change", form)["Location"] == "/ai-chat/all?in=archived"


def test_a_folder_is_made_renamed_and_deleted_and_its_chats_stay(
    reader: Client, alice: User
) -> None:
    (chat,) = make_chats(alice, 1)
    made = reader.post("/ai-chat/folders", {"name": "Wörk"})
    folder = Folder.objects.get()
    assert made["Location"] == f"/ai-chat/all?folder={folder.pk}"
    change(reader, chat, do="move", folder="Wörk")
    reader.post(f"/ai-chat/folders/{folder.pk}/rename", {"name": "Play"})
    assert Folder.objects.get().name == "Play"
    page = reader.get(f"/ai-chat/folders/{folder.pk}/delete").text
    assert "Its 1 chat stays" in page
    reader.post(f"/ai-chat/folders/{folder.pk}/delete")
    chat.refresh_from_db()
    assert chat.folder is None and not Folder.objects.exists()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (" \0 ", "Give the folder a name."),
        ("x" * 61, "A folder&#x27;s name has at most 60 characters; this one has 61."),
    ],
)
def test_a_name_that_is_none_is_refused_and_given_back(
    reader: Client, name: str, says: str
) -> None:
    answer = reader.post("/ai-chat/folders", {"name": name})
    assert answer.status_code == 422
    assert says in answer.text
    assert not Folder.objects.exists()


def test_two_folders_have_two_names(reader: Client, alice: User) -> None:
    for name in ("A", "B", "A"):
        reader.post("/ai-chat/folders", {"name": name})
    assert [each.name for each in Folder.objects.order_by("name")] == ["A", "B"]
    folder = Folder.objects.get(name="B")
    answer = reader.post(f"/ai-chat/folders/{folder.pk}/rename", {"name": "A"}, follow=True)
    assert "There is a folder “A” already." in answer.text


def test_the_menu_of_a_chat_works_without_scripts(reader: Client, alice: User) -> None:
    (chat,) = make_chats(alice, 1)
    page = reader.get(f"/ai-chat/{chat.pk}").text
    forms = re.findall(rf'action="/ai-chat/{chat.pk}/change"', page)
    assert len(forms) == 2
    assert re.findall('name="do" value="(.*?)"', page) == ["move", "pin", "archive"]
