"""The archive of all data of a user: a ZIP, written file by file to a temporary file and then
copied to the storage. Times are UTC."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC
from io import TextIOWrapper
from itertools import chain
from tempfile import TemporaryFile
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db.models import QuerySet
from django.utils import timezone

from ai_chat import files
from ai_chat.calls import log
from ai_chat.data.chats import (
    BATCH,
    FORMAT,
    FORMAT_VERSION,
    chat_as_json,
    chat_as_markdown,
    file_name,
    image_name,
    json_pieces,
    request_as_json,
    time_text,
)
from ai_chat.data.kept_responses import kept_responses
from ai_chat.data.profile import chat_settings_of, profile_of
from ai_chat.models import (
    Attachment,
    Conversation,
    DataJob,
    ImageRequest,
    Turn,
)
from config.pagination import LATEST_FIRST, in_batches
from credits.api.usage_csv import COLUMNS
from credits.models.background import TakenOver
from credits.statement.csv_file import csv_lines
from credits.statement.history import statement

#: Bytes that are copied at once.
PIECE = 1 << 20
README = """What Tally has of you, made on {made} (times are UTC).

profile.json    your account, where you are signed in, how you signed in lately, your limits,
                API keys and webhooks, what was announced lately, and codes you redeemed
statement.csv   every credit that moved
calls.csv       the calls of your API keys, without what was asked and answered
manifest.json   the format of this archive and its version, for programs
settings.json   your instructions for all chats, your folders and presets, and links that you share
chats/          each chat as Markdown to read, and as JSON with all versions, for programs
attachments/    the files of your chats, and attachments.json with what they were called
responses.json  kept responses of the API, with what was sent for them
images/         the pictures, and images.json with what was asked for
"""


class TooLarge(Exception):
    """An archive would be larger than ARCHIVE_MAX_BYTES."""

    def __init__(self) -> None:
        size = settings.ARCHIVE_MAX_BYTES // 10**9
        super().__init__(
            f"It would be larger than {size:,} GB. Take the pictures one by one and delete them, "
            "then ask again; or ask who runs this site."
        )


def make_archive(job: DataJob) -> None:
    """Makes the archive of a job, from the beginning, and stores it. Raises TooLarge, TakenOver,
    StorageFailed."""
    job.processed = 0
    settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
    # Without a name, so that the system removes it when this process is killed.
    with TemporaryFile(dir=settings.VAR_DIR) as target:
        with ZipFile(target, "w", ZIP_DEFLATED) as archive:
            _Writer(job, archive, target).write()
        size = target.tell()
        target.seek(0)
        job.keep()
        name = files.save(f"{job.folder}/{job.pk}.zip", File(target))
    try:
        job.keep(file=name, bytes=size)
    except TakenOver:
        files.discard([name])
        raise


class _Writer:
    """Writes one archive, one file after the other."""

    def __init__(self, job: DataJob, archive: ZipFile, target: IO[bytes]) -> None:
        self.job, self.archive, self.target = job, archive, target
        self.conversations = Conversation.objects.select_related("folder", "preset").filter(
            user_id=job.user_id
        )
        self.requests = ImageRequest.with_receipt().filter(user_id=job.user_id)

    def write(self) -> None:
        turns = Turn.objects.filter(conversation__in=self.conversations).count()
        self.job.total = turns + self.requests.count()
        with self._text("README.txt") as out:
            out.write(README.format(made=time_text(timezone.now())))
        with self._text("manifest.json") as out:
            made = {"madeAt": time_text(timezone.now()), "chats": FORMAT}
            _dump({"format": "tally-archive", "version": FORMAT_VERSION, **made}, out)
        with self._text("profile.json") as out:
            _dump(profile_of(self.job.user), out)
        with self._text("statement.csv") as out:
            rows = statement(user_id=self.job.user_id).select_related("grant")
            for lines in csv_lines(in_batches(rows), COLUMNS):
                out.write(lines)
                self._advance(0)
        with self._text("calls.csv") as out:
            for lines in csv_lines(log.batches(log.calls(user_id=self.job.user_id)), log.COLUMNS):
                out.write(lines)
                self._advance(0)
        for conversation in _each(self.conversations):
            self._write_chat(conversation)
        self._write_settings()
        with self._text("responses.json") as out:
            kept = kept_responses(account_id=self.job.user_id)
            self._pieces(json_pieces({}, responses=self._counted(kept)), out)
        self._write_attachments()
        self._write_images()

    def _counted[Thing](self, things: Iterable[Thing]) -> Iterator[Thing]:
        """The things, while the size of the archive is watched."""
        for thing in things:
            yield thing
            self._advance(0)

    def _advance(self, rows: int) -> None:
        self.job.processed += rows
        if self.target.tell() > settings.ARCHIVE_MAX_BYTES:
            raise TooLarge
        self.job.keep(processed=self.job.processed, total=self.job.total)

    def _write_chat(self, conversation: Conversation) -> None:
        name = f"chats/{file_name(conversation)}-{conversation.pk}"
        with self._text(f"{name}.md") as out:
            self._pieces(chat_as_markdown(conversation), out)
        with self._text(f"{name}.json") as out:
            self._pieces(chat_as_json(conversation, passed=self._advance), out)

    def _pieces(self, pieces: Iterable[str], out: IO[str]) -> None:
        """Writes them, while the size of the archive is watched."""
        written = 0
        for piece in pieces:
            out.write(piece)
            written += len(piece)
            if written > PIECE:
                written = 0
                self._advance(0)

    def _write_attachments(self) -> None:
        """The files, and attachments.json with what they were called."""
        rows = Attachment.objects.filter(user_id=self.job.user_id)
        for attachment in _each(rows):
            self._copy(attachment.file, _attachment_name(attachment))
            self._advance(0)
        with self._text("attachments/attachments.json") as out:
            described = map(_attachment_as_json, _each(rows))
            self._pieces(json_pieces({}, attachments=described), out)

    def _write_settings(self) -> None:
        with self._text("settings.json") as out:
            _dump(chat_settings_of(self.job.user), out)

    def _write_images(self) -> None:
        for request in _each(self.requests):
            for image in request.images.all():
                self._copy(image.file, image_name(image))
            self._advance(1)
        with self._text("images/images.json") as out:
            made = map(request_as_json, _each(self.requests))
            self._pieces(json_pieces({}, requests=made), out)

    def _copy(self, file: str, name: str) -> None:
        """Copies a file of the storage; of one that is missing there the description stays."""
        try:
            source = default_storage.open(file)
        except FileNotFoundError:
            return
        with source, self._open(name, compression=ZIP_STORED) as out:
            for piece in source.chunks(PIECE):
                out.write(piece)

    @contextmanager
    def _open(self, name: str, *, compression: int = ZIP_DEFLATED) -> Iterator[IO[bytes]]:
        info = ZipInfo(name, date_time=timezone.now().astimezone(UTC).timetuple()[:6])
        info.compress_type = compression
        with self.archive.open(info, "w", force_zip64=True) as out:
            yield out

    @contextmanager
    def _text(self, name: str) -> Iterator[TextIOWrapper]:
        with self._open(name) as out, TextIOWrapper(out, "utf-8", newline="") as text:
            yield text


def _each[Row: (Conversation, ImageRequest, Attachment)](rows: QuerySet[Row]) -> Iterator[Row]:
    """All rows, newest first."""
    return chain.from_iterable(in_batches(rows, order=LATEST_FIRST, size=BATCH))


def _dump(value: Any, out: IO[str]) -> None:
    json.dump(value, out, ensure_ascii=False, indent=2)


def _attachment_as_json(attachment: Attachment) -> dict[str, Any]:
    return {
        "id": str(attachment.pk),
        "conversation": str(attachment.conversation_id) if attachment.conversation_id else None,
        "createdAt": time_text(attachment.created_at),
        "name": attachment.name,
        "kind": attachment.kind,
        "contentType": attachment.content_type,
        "bytes": attachment.bytes,
        "file": _attachment_name(attachment),
    }


def _attachment_name(attachment: Attachment) -> str:
    ending = attachment.file.rpartition(".")[2]
    safe = ending.lower() if ending.isascii() and ending.isalnum() and len(ending) < 6 else "bin"
    return f"attachments/{attachment.pk}.{safe}"
