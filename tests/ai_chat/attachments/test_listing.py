"""/account/files: all that an account keeps, and how much more it may."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from ai_chat.attachments import listing
from ai_chat.attachments.services import add_file
from ai_chat.attachments.storage import storage_of
from ai_chat.models import Attachment, ChatSettings, Conversation, Image, ImageRequest
from credits.models import User
from tests.ai_chat.attachments.making import picture
from tests.api import Api
from tests.factories import make_charge

FILES = "/account/files"


def make_file(owner: User, name: str, size: int, *, minutes: int = 0) -> Attachment:
    file = add_file(user_id=owner.pk, name=name, content=b"x" * size)
    file.created_at = timezone.now() - timedelta(minutes=minutes)
    file.save()
    return file


def make_picture(owner: User, prompt: str, size: int, **place: Any) -> Image:
    """A picture that was made for them; as large as they are told."""
    made = ImageRequest.objects.create(
        user=owner, charge_id=make_charge(owner).id, model="m", prompt=prompt, size="8x8", count=1,
        state=ImageRequest.State.DELIVERED, **place,
    )  # fmt: skip
    name = default_storage.save(f"{made.folder}/a.png", ContentFile(picture()))
    return Image.objects.create(
        request=made, file=name, content_type="image/png", width=8, height=6, bytes=size, position=0
    )


def names(page: str) -> list[str]:
    return re.findall(r'<span class="name" dir="auto">([^<]+)</span>', page)


def test_files_and_pictures_stand_together_by_time_or_size(alice: User, bob: User) -> None:
    chat = Conversation.objects.create(user=alice, title="Holiday plans")
    make_file(alice, "old.txt", 30, minutes=9)
    make_picture(alice, "A lighthouse", 2_000, conversation=chat)
    make_file(bob, "of bob", 10)
    sent = make_file(alice, "newest.txt", 10, minutes=-1)
    sent.conversation = chat
    sent.save()
    page = Api(alice).get(FILES).text
    assert names(page) == ["newest.txt", "A lighthouse", "old.txt"]
    assert page.count("Holiday plans") == 2
    assert page.count("not sent yet") == 1
    assert names(Api(alice).get(f"{FILES}?order=largest").text) == [
        "A lighthouse", "old.txt", "newest.txt",
    ]  # fmt: skip
    storage = storage_of(user_id=alice.pk)
    assert (storage.files, storage.pictures, storage.used) == (40, 2_000, 2_040)


@pytest.mark.parametrize("order", ["newest", "largest"])
def test_the_list_goes_on_and_back(
    alice: User, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "SHOWN", 2)
    for number in range(3):
        make_file(alice, f"file {number}", 10 - number, minutes=number)
        make_picture(alice, f"picture {number}", 5)
    before, seen = "", list[list[str]]()
    while True:
        page = Api(alice).get(f"{FILES}?order={order}&before={before}").text
        seen += [names(page)]
        if not (onwards := re.search(r'rel="next" href="[^"]*before=([\w.-]+)', page)):
            break
        before = onwards[1]
    assert sorted(name for names_ in seen for name in names_) == sorted(
        [f"{kind} {number}" for kind in ("file", "picture") for number in range(3)]
    )
    back = re.search(r'rel="prev" href="[^"]*after=([\w.-]+)', page)
    assert back
    assert names(Api(alice).get(f"{FILES}?order={order}&after={back[1]}").text) == seen[-2]
    assert Api(alice).get(f"{FILES}?before=nonsense").status_code == 400


def test_without_any_the_page_says_what_will_be_there(alice: User) -> None:
    assert "No files yet" in Api(alice).get(FILES).text


def test_a_full_storage_and_the_days_are_told(alice: User) -> None:
    ChatSettings.objects.create(storage_bytes=20, attachment_days=30)
    make_file(alice, "a", 20)
    page = Api(alice).get(FILES).text
    assert "It is full" in page
    assert "after 30 days" in page


@pytest.mark.django_db(transaction=True)
def test_several_are_deleted_after_a_question(alice: User, bob: User, media: Path) -> None:
    mine, kept, theirs = make_file(alice, "gone.txt", 1), make_file(alice, "kept", 1), bob
    other = make_file(theirs, "of bob", 1)
    made = make_picture(alice, "A lighthouse", 9)
    which = [f"file:{mine.pk}", f"picture:{made.pk}", f"file:{other.pk}", "picture:none", "x"]
    question = Api(alice).post(f"{FILES}/delete", {"which": which})
    assert "Delete 2 files?" in question.text
    assert str(other.pk) not in question.text
    assert Attachment.objects.count() == 3
    Api(alice).post(f"{FILES}/delete", {"which": which, "confirmed": "1"})
    assert set(Attachment.objects.all()) == {kept, other}
    assert not Image.objects.exists()
    assert {path.name for path in media.rglob("*") if path.is_file()} == {
        str(kept.pk), str(other.pk),
    }  # fmt: skip


def test_nothing_chosen_deletes_nothing(alice: User) -> None:
    make_file(alice, "a", 1)
    assert Api(alice).post(f"{FILES}/delete", {"confirmed": "1"})["Location"] == FILES
    assert Attachment.objects.exists()


def test_the_list_takes_the_same_queries_however_long_it_is(
    alice: User, django_assert_num_queries: Any
) -> None:
    api = Api(alice)
    for _ in range(3):
        make_file(alice, "a", 1)
        make_picture(alice, "b", 1)
    with django_assert_num_queries(2):
        assert len(listing.kept_page(user_id=alice.pk, order="newest").rows) == 6
    assert api.get(FILES).status_code == 200
