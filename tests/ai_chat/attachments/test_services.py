"""What becomes of a file that a user sends: kept for them alone, within their storage, as often as
they may ask."""

from contextlib import ExitStack
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from pytest_django import Settings

from ai_chat.attachments.errors import FileTooLarge, InvalidAttachment, StorageFull
from ai_chat.attachments.reader import OF_ONE_ACCOUNT, place_for
from ai_chat.attachments.services import add_file, delete_file
from ai_chat.attachments.storage import storage_of
from ai_chat.models import Attachment, ChatSettings
from config.errors import Busy, TooManyRequests
from credits.models import User
from tests.ai_chat.attachments.making import pdf, picture
from tests.parallel import count_of, in_parallel


def stored(media: Path) -> list[str]:
    return sorted(path.name for path in media.rglob("*") if path.is_file())


def test_text_is_kept_as_it_came_with_what_is_in_it(alice: User, media: Path) -> None:
    content = "Grüße\r\nan alle".encode()
    file = add_file(user_id=alice.pk, name="letter.md", content=content)
    file.refresh_from_db()
    assert (file.kind, file.content_type, file.text) == ("text", "text/plain", "Grüße\nan alle")
    assert (file.characters, file.octets, file.bytes) == (13, 15, len(content))
    assert not file.is_cut
    with default_storage.open(file.file) as kept:
        assert kept.read() == content
    assert stored(media) == [str(file.pk)]


def test_of_a_picture_what_models_see_is_kept(alice: User, media: Path) -> None:
    content = picture("JPEG", (3000, 1500))
    file = add_file(user_id=alice.pk, name="photo.png", content=content)
    assert (file.kind, file.content_type, file.text) == ("picture", "image/jpeg", "")
    assert (file.width, file.height) == (2048, 1024)
    assert file.filename == "photo.jpg"
    assert default_storage.size(file.file) == file.bytes < len(content)
    assert stored(media) == [str(file.pk)]


def test_a_pdf_is_kept_with_its_text_and_pages(alice: User) -> None:
    file = add_file(user_id=alice.pk, name="a.pdf", content=pdf("One", "Two"))
    assert (file.kind, file.pages, file.text) == ("pdf", 2, "One\n\nTwo")


def test_an_empty_file_and_one_that_is_too_large_are_refused(
    alice: User, settings: Settings, media: Path
) -> None:
    settings.ATTACHMENT_MAX_BYTES = 5
    with pytest.raises(InvalidAttachment, match="empty"):
        add_file(user_id=alice.pk, name="a", content=b"")
    with pytest.raises(FileTooLarge) as refusal:
        add_file(user_id=alice.pk, name="a", content=b"123456")
    assert (refusal.value.status, refusal.value.members) == (413, {"limit": 5})
    assert add_file(user_id=alice.pk, name="a", content=b"12345").bytes == 5
    assert len(stored(media)) == 1


def test_what_cannot_be_read_is_not_kept(alice: User, media: Path) -> None:
    with pytest.raises(InvalidAttachment, match="cannot be read here"):
        add_file(user_id=alice.pk, name="a.png", content=b"MZ\x90\0\3\0\0" + bytes(100))
    assert not stored(media)
    assert not Attachment.objects.exists()
    assert [path.name for path in media.parent.iterdir()] in ([], ["media"])


def test_a_file_counts_as_a_request_of_the_account(alice: User, settings: Settings) -> None:
    settings.REQUESTS_PER_MINUTE = 2
    for _ in range(2):
        add_file(user_id=alice.pk, name="a", content=b"a")
    with pytest.raises(TooManyRequests, match="2 requests a minute"):
        add_file(user_id=alice.pk, name="a", content=b"a")


def test_nobody_keeps_the_site_busy_with_files(
    alice: User, bob: User, carol: User, settings: Settings
) -> None:
    settings.WEB_THREADS = 40
    with ExitStack() as places:
        for _ in range(OF_ONE_ACCOUNT):
            places.enter_context(place_for(alice.pk))
        with pytest.raises(TooManyRequests, match="Wait for one"):
            add_file(user_id=alice.pk, name="a", content=b"a")
        add_file(user_id=bob.pk, name="a", content=b"a")
        for _ in range(2):
            places.enter_context(place_for(bob.pk))
        with pytest.raises(Busy):
            add_file(user_id=carol.pk, name="a", content=b"a")
    add_file(user_id=alice.pk, name="a", content=b"a")


def test_a_full_storage_takes_nothing_more(alice: User, bob: User, media: Path) -> None:
    ChatSettings.objects.create(storage_bytes=10)
    add_file(user_id=alice.pk, name="a", content=b"1234567")
    with pytest.raises(StorageFull, match="Delete some"):
        add_file(user_id=alice.pk, name="b", content=b"1234")
    assert len(stored(media)) == 1
    add_file(user_id=bob.pk, name="b", content=b"1234")
    add_file(user_id=alice.pk, name="c", content=b"123")
    assert storage_of(user_id=alice.pk).used == 10


@pytest.mark.django_db(transaction=True)
def test_simultaneous_files_fill_the_storage_and_no_more(alice: User, media: Path) -> None:
    ChatSettings.objects.create(storage_bytes=30)
    answers = in_parallel(
        6,
        lambda number: add_file(user_id=alice.pk, name=f"{number}", content=b"1234567890"),
        catch=StorageFull,
    )
    assert (count_of(answers, Attachment), count_of(answers, StorageFull)) == (3, 3)
    assert len(stored(media)) == 3
    assert storage_of(user_id=alice.pk).used == 30


@pytest.mark.django_db(transaction=True)
def test_a_deleted_file_is_gone_from_the_storage_too(alice: User, media: Path) -> None:
    file = add_file(user_id=alice.pk, name="a", content=b"a")
    delete_file(attachment=file)
    assert not Attachment.objects.exists()
    assert not stored(media)
