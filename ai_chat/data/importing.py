"""Importing a file of chats: taking it, and what the worker does with it (`DataJob`)."""

from collections import Counter
from datetime import timedelta
from typing import IO, Any
from uuid import uuid4

from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.utils import timezone

from ai_chat import files
from ai_chat.imports.chats import NotImported
from ai_chat.imports.formats import chat_of
from ai_chat.imports.keeping import Kept, keep_import
from ai_chat.imports.reading import Unreadable, chats_in, is_json, is_zip
from ai_chat.models import DataJob
from config.errors import DomainError, TooManyRequests

#: Files that one user may have imported within a day, and chats that are read of one.
IMPORTS_A_DAY = 10
MOST_CHATS = 20_000
DAY = timedelta(days=1)


class ForeignFile(DomainError):
    """What was uploaded is no export by its first bytes."""

    status = 422
    code = "foreign_file"

    def __init__(self) -> None:
        super().__init__(
            "This is neither a ZIP nor JSON. Upload an archive of this site, or the export that "
            "ChatGPT or Claude sent you."
        )


class ImportRunning(DomainError):
    """Another file is still being imported."""

    status = 409
    code = "import_running"

    def __init__(self) -> None:
        super().__init__("A file is still being imported. Wait until it is done.")


def take_file(*, user_id: int, file: IO[bytes]) -> DataJob:
    """Keeps a file that is to be imported, and its job, which is to be queued. Raises ForeignFile,
    ImportRunning, TooManyRequests, StorageFailed."""
    if not is_zip(file) and not is_json(file):
        raise ForeignFile
    _limit(user_id)
    try:
        with transaction.atomic():
            job = DataJob.objects.create(pk=uuid4(), user_id=user_id, kind=DataJob.Kind.IMPORT)
    except IntegrityError:
        raise ImportRunning from None
    try:
        name = files.save(f"{job.folder}/{job.pk}.export", File(file))
    except files.StorageFailed:
        job.delete()
        raise
    size = file.seek(0, 2)
    # The account may have been closed meanwhile, which deletes its jobs.
    if not DataJob.objects.filter(pk=job.pk).update(file=name, bytes=size):
        files.discard([name])
    job.file, job.bytes = name, size
    return job


def _limit(user_id: int) -> None:
    now = timezone.now()
    jobs = DataJob.objects.filter(user_id=user_id, kind=DataJob.Kind.IMPORT)
    recent = jobs.filter(created_at__gt=now - DAY).order_by("created_at")
    if len(recent) >= IMPORTS_A_DAY:
        wait = recent[0].created_at + DAY - now
        sentence = f"{IMPORTS_A_DAY} files can be imported a day. Try again tomorrow."
        raise TooManyRequests(sentence, retry_seconds=max(1, int(wait.total_seconds())))


def import_chats(job: DataJob) -> None:
    """Imports the file of a job, from its beginning: what is here already stays as it is. Raises
    Unreadable with what was imported before, and TakenOver."""
    if not job.file:
        raise Unreadable("The upload broke off. Upload the file again.")
    summary = _Summary()

    def progress(done: int, total: int) -> None:
        job.keep(processed=done, total=total)

    try:
        with default_storage.open(job.file) as file:
            for value in chats_in(file, progress=progress):
                summary.add(job, value)
    except Unreadable as error:
        raise Unreadable(" ".join(filter(None, [str(error), summary.words]))) from error
    if not summary.seen:
        raise Unreadable("There is no chat in it.")
    job.keep(result=summary.words)


class _Summary:
    """What became of the chats of a file so far."""

    def __init__(self) -> None:
        self.seen = self.new = self.grown = self.here = self.messages = 0
        self.skipped: Counter[str] = Counter()

    def add(self, job: DataJob, value: Any) -> None:
        """Keeps one chat. Raises Unreadable after MOST_CHATS, TakenOver."""
        self.seen += 1
        if self.seen > MOST_CHATS:
            raise Unreadable(f"It holds more than {MOST_CHATS:,} chats.")
        try:
            chat = chat_of(value)
        except NotImported as reason:
            self.skipped[str(reason)] += 1
            return
        # With the job's row locked: an account that closes meanwhile waits, and finds the chat.
        with transaction.atomic():
            job.keep()
            self._count(keep_import(user_id=job.user_id, chat=chat))

    def _count(self, kept: Kept) -> None:
        self.messages += kept.turns
        self.new += kept.is_new
        self.grown += bool(kept.turns) and not kept.is_new
        self.here += not kept.turns and not kept.is_new

    @property
    def words(self) -> str:
        """What is shown of it."""
        sentences = []
        if self.new or not self.seen - self.new:
            sentences.append(f"Imported {_many(self.new, 'chat')}.")
        if self.grown:
            sentences.append(f"Added what is new to {_many(self.grown, 'chat')} of those here.")
        if self.messages:
            answers = "its answer" if self.messages == 1 else "their answers"
            sentences.append(f"{_many(self.messages, 'message')} came with {answers}.")
        if self.here:
            sentences.append(f"Already here: {_many(self.here, 'chat')}.")
        for reason, many in self.skipped.most_common():
            sentences.append(f"Skipped {_many(many, 'chat')}, because {reason}.")
        return " ".join(sentences) if self.seen else ""


def _many(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'s' if number != 1 else ''}"
