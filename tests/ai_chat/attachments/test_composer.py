"""Files in the composer and beside messages, on the server's side."""

import re
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from ai_chat.attachments.sending import CannotAttach, files_for_message, present_files
from ai_chat.conversations.drafts import Draft
from ai_chat.conversations.turns import start_turn
from ai_chat.models import Attachment, Conversation, Turn
from credits.ledger import get_balance
from credits.models import User
from tests.ai_chat.attachments.kept import make_document, make_picture
from tests.ai_chat.turns import make_turn, text_model
from tests.factories import make_token_price, make_user

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def conversation(alice: User) -> Conversation:
    return Conversation.objects.create(user=alice, title="With files")


@pytest.fixture
def page(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


def named(html: str) -> list[str]:
    """The ids of the files that a form goes with."""
    return re.findall(r'name="attachment" value="([^"]+)"', html)


def test_a_message_takes_files_of_its_user_that_are_there_and_not_too_many(
    alice: User, settings: Any
) -> None:
    settings.ATTACHMENTS_PER_MESSAGE = 2
    one, two = make_document(alice, "1"), make_document(alice, "2")
    other = make_document(make_user(), "3")
    ids = [str(two.pk), str(one.pk)]
    assert files_for_message([*ids, ids[0]], user_id=alice.pk) == [two, one]
    for wrong in ([str(other.pk)], [str(uuid4())], ["x"], ["\0"], [*ids, str(other.pk)]):
        with pytest.raises(CannotAttach):
            files_for_message(wrong, user_id=alice.pk)
    assert present_files(["x", str(other.pk), *ids], user_id=alice.pk) == []
    assert present_files([str(other.pk), ids[0]], user_id=alice.pk) == [two]


def test_a_file_belongs_to_the_conversation_that_it_was_sent_in(alice: User) -> None:
    file = make_document(alice, "1")
    draft = Draft(user_id=alice.pk, text="See?", attachments=[file])
    turn, _ = start_turn(draft, text_model(), idempotency_key="1")
    file.refresh_from_db()
    assert (turn.attachments, file.conversation_id) == ([file.pk], turn.conversation_id)
    # The same again, as after a connection that broke.
    again = files_for_message([str(file.pk)], user_id=alice.pk)
    same = Draft(user_id=alice.pk, text="See?", attachments=again)
    assert start_turn(same, text_model(), idempotency_key="1") == (turn, False)


def test_asking_again_and_editing_take_the_files_of_the_turn(
    alice: User, conversation: Conversation, page: Client
) -> None:
    kept, gone = make_document(alice, "1", "kept.txt"), make_document(alice, "2")
    turn = make_turn(conversation, "See?", "Yes.", attachments=[kept.pk, gone.pk])
    gone.delete()
    assert named(page.get(f"/ai-chat/turns/{turn.pk}/again").text) == [str(kept.pk)]
    edit = page.get(f"/ai-chat/{conversation.pk}?edit={turn.pk}").text
    assert named(edit) == [str(kept.pk)]
    assert "kept.txt" in edit and "A file that was deleted" in edit


def test_the_button_follows_the_files(alice: User, page: Client) -> None:
    model = text_model(output_tokens=1000, output_least=100, image_tokens=4000)
    make_token_price(model, input=10**9, cached=10**9, cache_write=10**9, output=10**9,
                     reasoning=10**9)  # fmt: skip
    text, image = make_document(alice, "x" * 5000), make_picture(alice, stored=False)

    def button(*files: Attachment) -> str:
        ids = [str(file.pk) for file in files]
        return page.get("/ai-chat/offer", {"attachment": ids}).text

    assert "up to 2 credits" in button()
    assert "up to 7 credits" in button(text)
    assert "does not read pictures. Choose a model that does, or remove photo.png." in button(image)
    text_model(reads_images=True)
    assert "up to 6 credits" in button(image)
    assert "up to 11 credits" in button(image, text)
    assert "it gets the beginning" in button(make_document(alice, "x" * 50_000))


def test_a_picture_is_not_sent_to_who_does_not_read_it(alice: User, page: Client) -> None:
    image = make_picture(alice)
    form = {"message": "See?", "model": text_model().name, "key": "1", "price": "1"}
    answer = page.post("/ai-chat", {**form, "attachment": [str(image.pk)]})
    assert answer.status_code == 400
    assert "does not read pictures" in answer.text
    assert named(answer.text) == [str(image.pk)]
    assert not Turn.objects.exists() and get_balance(user_id=alice.pk).remaining == 100


def test_what_a_form_without_scripts_brings_is_there_when_it_is_refused(
    alice: User, page: Client
) -> None:
    files = [
        SimpleUploadedFile("notes.txt", b"Hello"),
        SimpleUploadedFile("broken.png", b"\x89PNG\r\n\x1a\n"),
        SimpleUploadedFile("more.csv", b"a,b"),
    ]
    form = {"message": "See?", "model": text_model().name, "key": "1", "price": "1"}
    answer = page.post("/ai-chat", {**form, "files": files})
    assert answer.status_code == 400
    assert [file.name for file in Attachment.objects.order_by("name")] == ["more.csv", "notes.txt"]
    assert len(named(answer.text)) == 2
    assert "broken.png" in answer.text
    assert not Turn.objects.exists()


def test_earlier_pictures_are_said_to_be_told_by_name(
    alice: User, conversation: Conversation, page: Client
) -> None:
    image = make_picture(alice)
    image.conversation = conversation
    image.save()
    make_turn(conversation, "See?", "Yes.", attachments=[image.pk])
    assert (
        "of the earlier ones it is told the names" in page.get(f"/ai-chat/{conversation.pk}").text
    )


def test_a_draft_of_files_is_shown_to_its_user_alone(alice: User, page: Client) -> None:
    own, other = make_document(alice, "1"), make_document(make_user(), "2")
    shown = page.get("/ai-chat/attached", {"attachment": [str(own.pk), str(other.pk), "x"]})
    assert named(shown.text) == [str(own.pk)]
