"""Files that users send: taken, found, deleted. Money is not touched here."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID, uuid4

from django.conf import settings
from django.core.files.base import ContentFile, File
from django.db import transaction
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404

from ai_chat import files
from ai_chat.attachments.errors import FileTooLarge, InvalidAttachment
from ai_chat.attachments.names import clean_name
from ai_chat.attachments.reader import place_for, read
from ai_chat.attachments.storage import check_room, lock_storage
from ai_chat.jobs.rates import count_request
from ai_chat.models import Attachment


def add_file(*, user_id: int, name: str, content: "bytes | File[bytes]") -> Attachment:
    """Verifies a file, reads what is in it, and keeps it for the user's next message. It counts as
    one of the account's requests. Raises InvalidAttachment, FileTooLarge, StorageFull,
    TooManyRequests, Busy, StorageFailed."""
    file = _checked(content)
    count_request(user_id=user_id)
    check_room(user_id=user_id, size=1)  # Where nothing fits, nothing need be read.
    with _reading(user_id, name, file) as (attachment, kept):
        attachment.bytes = kept.stat().st_size
        return _keep(attachment, kept)


def read_file(*, user_id: int, name: str, content: bytes) -> Attachment:
    """The same without keeping it. It counts as a read file of the account, of which there may be
    as many in a minute as requests. Raises what `add_file` raises, but for the storage."""
    file = _checked(content)
    count_request(user_id=user_id, kind="read-files", name="call with a file")
    with _reading(user_id, name, file) as (attachment, _):
        return attachment


def _checked(content: "bytes | File[bytes]") -> "File[bytes]":
    file = ContentFile(content) if isinstance(content, bytes) else content
    limit: int = settings.ATTACHMENT_MAX_BYTES
    if file.size > limit:
        raise FileTooLarge(limit=limit)
    if file.size == 0:
        raise InvalidAttachment("It is empty.")
    return file


@contextmanager
def _reading(user_id: int, name: str, file: "File[bytes]") -> Iterator[tuple[Attachment, Path]]:
    """What is in a file, and for a while the path of what is kept of it."""
    settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
    with (
        place_for(user_id),
        TemporaryDirectory(dir=settings.VAR_DIR, prefix="reading-") as folder,
    ):
        source, target = Path(folder, "file"), Path(folder, "picture")
        with source.open("wb") as copy:
            copy.writelines(file.chunks())
        attachment = _attachment(user_id, name, source, target)
        yield attachment, target if attachment.is_picture else source


def _attachment(user_id: int, name: str, source: Path, target: Path) -> Attachment:
    reading = read(source, target)
    text = reading.get("text", "")
    return Attachment(
        id=uuid4(),
        user_id=user_id,
        name=clean_name(name),
        kind=reading["kind"],
        content_type=reading["content_type"],
        text=text,
        characters=len(text),
        octets=len(text.encode()),
        is_cut=reading.get("is_cut", False),
        pages=reading.get("pages"),
        width=reading.get("width"),
        height=reading.get("height"),
    )


def _keep(attachment: Attachment, kept: Path) -> Attachment:
    """Puts it into the storage and the database. Of simultaneous ones of an account no more are
    kept than there is room for."""
    with kept.open("rb") as content:
        attachment.file = files.save(attachment.stored_name, File(content))
    try:
        with transaction.atomic():
            lock_storage(attachment.user_id)
            check_room(user_id=attachment.user_id, size=attachment.bytes)
            attachment.save(force_insert=True)
    except BaseException:
        files.discard([attachment.file])
        raise
    return attachment


def own_file_or_404(*, user_id: int, file_id: UUID) -> Attachment:
    """One of the user's files, without its text. Raises Http404."""
    return get_object_or_404(Attachment.objects.defer("text"), pk=file_id, user_id=user_id)


def delete_file(*, attachment: Attachment) -> None:
    """Deletes a file. Messages that were sent with it stay, and say that it is gone."""
    delete_files(Attachment.objects.filter(pk=attachment.pk))


def delete_files_of(*, conversation_id: UUID) -> None:
    """Deletes the files that were sent in a conversation."""
    delete_files(Attachment.objects.filter(conversation_id=conversation_id))


@transaction.atomic
def delete_files(rows: QuerySet[Attachment]) -> int:
    """Deletes files, their content after the commit; returns how many."""
    names = list(rows.select_for_update().values_list("file", flat=True))
    Attachment.objects.filter(file__in=names).delete()
    transaction.on_commit(partial(files.discard, names))
    return len(names)
