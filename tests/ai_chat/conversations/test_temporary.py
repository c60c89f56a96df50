"""Temporary chats: in no list, in no search, gone after a day."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone

from ai_chat.conversations import filing
from ai_chat.conversations.drafts import Draft
from ai_chat.conversations.filing import delete_expired, keep_chat
from ai_chat.conversations.search import find_matches
from ai_chat.conversations.services import last_model
from ai_chat.conversations.turns import start_turn
from ai_chat.models import (
    Attachment,
    Beginning,
    Conversation,
    Folder,
    Image,
    ImageRequest,
    SearchEntry,
    Turn,
)
from ai_chat.pages.choosing import chosen_model
from ai_chat.tasks import forget_chats
from credits.features import IMAGE, TEXT
from credits.models import UsageHistory, User
from tests.ai_chat.chat import Chat
from tests.ai_chat.turns import charge_turn, make_turn, text_model
from tests.factories import make_charge


@pytest.fixture
def reader(alice: User, client: Client) -> Client:
    client.force_login(alice)
    return client


@pytest.fixture
def chat_to_go(alice: User) -> Conversation:
    """A temporary chat with one answer."""
    soon = timezone.now() + timedelta(hours=1)
    chat = Conversation.objects.create(user=alice, title="Passing", expires_at=soon)
    make_turn(chat, "Hi", "A heron.", model="special")
    return chat


def end(chat: Conversation) -> None:
    past = timezone.now() - timedelta(seconds=1)
    Conversation.objects.filter(pk=chat.pk).update(expires_at=past)


def test_it_is_in_no_list_and_no_search(
    reader: Client, alice: User, chat_to_go: Conversation
) -> None:
    assert not SearchEntry.objects.exists()
    for path in ("/ai-chat", "/ai-chat/all", "/ai-chat/search?q=heron", "/api/chats"):
        assert str(chat_to_go.pk) not in reader.get(path).text
    assert last_model(user_id=alice.pk) == ""
    assert chosen_model(user_id=alice.pk, feature=TEXT, conversation=chat_to_go) == "special"
    assert "is deleted on" in reader.get(f"/ai-chat/{chat_to_go.pk}").text


def test_it_can_be_kept(reader: Client, alice: User, chat_to_go: Conversation) -> None:
    reader.post(f"/ai-chat/{chat_to_go.pk}/change", {"do": "keep"})
    end_of_day = Conversation.objects.get()
    assert end_of_day.expires_at is None
    assert str(chat_to_go.pk) in reader.get("/ai-chat/all").text
    assert len(find_matches(user_id=alice.pk, search="heron").rows) == 1
    assert len(find_matches(user_id=alice.pk, search="passing").rows) == 1


@pytest.mark.parametrize("do", ["pin", "archive", "move"])
def test_it_is_not_filed(reader: Client, chat_to_go: Conversation, do: str) -> None:
    reader.post(f"/ai-chat/{chat_to_go.pk}/change", {"do": do, "folder": "Work"})
    chat_to_go.refresh_from_db()
    assert (chat_to_go.pinned_at, chat_to_go.archived_at, chat_to_go.folder) == (None, None, None)


def test_it_goes_with_its_files_and_pictures_and_its_charges_stay(
    alice: User, chat_to_go: Conversation, django_capture_on_commit_callbacks: Any
) -> None:
    name = default_storage.save("attachments/1/x", ContentFile(b"x"))
    Attachment.objects.create(
        user=alice, conversation=chat_to_go, name="x", kind="text", file=name, bytes=1
    )
    request = ImageRequest.objects.create(
        user=alice, conversation=chat_to_go, charge_id=make_charge(alice).id, model="m", prompt="p",
        size="8x8", count=1, state=ImageRequest.State.DELIVERED,
    )  # fmt: skip
    picture = default_storage.save(f"{request.folder}/1.png", ContentFile(b"x"))
    Image.objects.create(
        request=request, file=picture, content_type="image/png", width=8, height=8, bytes=1,
        position=0,
    )  # fmt: skip
    charges = UsageHistory.objects.count()
    kept = Conversation.objects.create(user=alice, title="Kept")
    delete_expired()
    assert Conversation.objects.count() == 2, "Its time is not over."
    end(chat_to_go)
    with django_capture_on_commit_callbacks(execute=True):
        forget_chats(0)
    assert [*Conversation.objects.all()] == [kept]
    assert not Turn.objects.exists() and not ImageRequest.objects.exists()
    assert not default_storage.exists(name) and not default_storage.exists(picture)
    assert UsageHistory.objects.count() == charges


def test_an_answer_that_is_being_written_ends_first(alice: User, chat_to_go: Conversation) -> None:
    turn = charge_turn(alice, conversation=chat_to_go)
    end(chat_to_go)
    delete_expired()
    assert Turn.objects.filter(pk=turn.pk).exists()
    assert Turn.objects.count() == 2


def test_one_that_is_kept_at_its_end_stays(
    chat_to_go: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kept_meanwhile(rows: Any, **_order: Any) -> Iterator[list[Conversation]]:
        batch = list(rows)
        keep_chat(conversation=chat_to_go)
        yield batch

    end(chat_to_go)
    monkeypatch.setattr(filing, "in_batches", kept_meanwhile)
    delete_expired()
    assert chat_to_go.turns.exists()


def test_a_folder_that_is_gone_or_of_others_is_none(alice: User, bob: User) -> None:
    for folder in (uuid4(), Folder.objects.create(user=bob, name="Theirs").pk):
        draft = Draft(user_id=alice.pk, text="Hi", beginning=Beginning(folder_id=folder))
        turn, _ = start_turn(draft, text_model(), idempotency_key=uuid4().hex)
        assert Conversation.objects.get(pk=turn.conversation_id).folder is None


def test_a_chat_is_begun_as_a_temporary_one_or_in_a_folder(chat: Chat) -> None:
    answer = chat.send("Hi [[tokens:3]]", path="/ai-chat?temporary=1")
    assert answer.receipt == "1 credit"
    temporary = Conversation.objects.get()
    assert temporary.expires_at is not None
    left = temporary.expires_at - timezone.now()
    assert timedelta(hours=23) < left <= timedelta(hours=24)
    chat.client.post("/ai-chat/folders", data={"name": "Work"})
    page = chat.client.get("/ai-chat/all").text
    folder = page.partition("/ai-chat/all?folder=")[2][:36]
    chat.send("Ho [[tokens:3]]", path=f"/ai-chat?folder={folder}")
    assert str(chat.turn.conversation.folder_id) == folder
    assert chat.turn.conversation.expires_at is None


def test_its_pictures_are_in_no_gallery_until_it_is_kept(
    reader: Client, alice: User, chat_to_go: Conversation
) -> None:
    charge = make_charge(alice)
    shown = ImageRequest.objects.create(
        user=alice, charge_id=charge.id, model="m", prompt="A heron", size="8x8", count=1,
        state=ImageRequest.State.FAILED, conversation=chat_to_go,
    )  # fmt: skip
    for path in ("/images", "/api/ai/images"):
        assert str(shown.pk) not in reader.get(path).text
    assert chosen_model(user_id=alice.pk, feature=IMAGE) == ""
    assert chosen_model(user_id=alice.pk, feature=IMAGE, conversation=chat_to_go) == "m"
    Conversation.objects.update(expires_at=None)
    for path in ("/images", "/api/ai/images"):
        assert str(shown.pk) in reader.get(path).text
    assert chosen_model(user_id=alice.pk, feature=IMAGE) == "m"


def test_a_model_that_is_chosen_in_it_is_not_that_of_new_chats(
    reader: Client, alice: User, chat_to_go: Conversation
) -> None:
    text_model()
    for path in (f"/ai-chat/{chat_to_go.pk}", "/ai-chat?temporary=1"):
        headers = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{path}"}
        form = {"model": "smollm2-135m"}
        assert reader.post("/ai-chat/model", form, headers=headers).status_code == 204
        assert chosen_model(user_id=alice.pk, feature=TEXT) == ""
    chat_to_go.refresh_from_db()
    assert chat_to_go.text_model == "smollm2-135m"


def test_a_model_that_is_used_in_it_is_not_that_of_new_chats(chat: Chat, alice: User) -> None:
    chat.send("Hi [[tokens:3]]", path="/ai-chat?temporary=1")
    assert chosen_model(user_id=alice.pk, feature=TEXT) == ""
