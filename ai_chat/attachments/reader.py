"""Reading files of users, each in a process of its own with limits."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from django.conf import settings

from ai_chat.attachments.errors import InvalidAttachment
from ai_chat.attachments.reading.result import Limits, Reading
from ai_chat.limited.process import LimitedProcess
from config.errors import Busy, TooManyRequests

PROGRAM = Path(__file__).parent / "reading" / "program.py"
#: Files that one web process has read at the same time, and seconds that others wait for them.
TOGETHER = 2
WAIT_SECONDS = 30
#: Of one account so many may be read or wait there. Each keeps a thread of the site meanwhile: of
#: all accounts together no more than a quarter of them.
OF_ONE_ACCOUNT = 8
RETRY_SECONDS = 5
#: A process that waits, for a disk or for others, may take so many times its seconds of CPU.
PATIENCE = 3
#: Bytes of all that is packed in an office document.
UNPACKED_BYTES = 200_000_000

_room = threading.BoundedSemaphore(TOGETHER)
_lock = threading.Lock()
#: Files that are read or wait, by their accounts.
_taken: Counter[int] = Counter()


@contextmanager
def place_for(user_id: int) -> Iterator[None]:
    """A place among the files that this process reads, or has waiting. Raises TooManyRequests for
    an account that has as many as it may, Busy while all are taken."""
    with _lock:
        if _taken[user_id] >= OF_ONE_ACCOUNT:
            sentence = f"{OF_ONE_ACCOUNT} files of yours are being read already. Wait for one."
            raise TooManyRequests(sentence, retry_seconds=RETRY_SECONDS)
        if _taken.total() >= max(OF_ONE_ACCOUNT, settings.WEB_THREADS // 4):
            raise Busy
        _taken[user_id] += 1
    try:
        yield
    finally:
        with _lock:
            _taken.subtract([user_id])
            if not _taken[user_id]:
                del _taken[user_id]


def read(source: Path, target: Path) -> Reading:
    """What is in the file at `source`; of a picture the one to keep is written to `target`. Raises
    InvalidAttachment, and Busy while too many files are read."""
    limits: Limits = {
        "pixels": settings.ATTACHMENT_MAX_PIXELS,
        "pages": settings.ATTACHMENT_MAX_PAGES,
        "characters": settings.ATTACHMENT_MAX_CHARACTERS,
        "unpacked": UNPACKED_BYTES,
    }
    if not _room.acquire(timeout=WAIT_SECONDS):
        raise Busy
    seconds = settings.ATTACHMENT_SECONDS
    process = LimitedProcess(
        PROGRAM, seconds=seconds, memory_bytes=settings.ATTACHMENT_MEMORY_BYTES
    )
    try:
        request = {"source": str(source), "target": str(target), "limits": limits}
        result = process.ask(request, within=seconds * PATIENCE)
    finally:
        process.close()
        _room.release()
    if result is None:
        raise InvalidAttachment("It takes too long, or too much memory, to read.")
    answer = result[0]
    if "problem" in answer:
        raise InvalidAttachment(answer["problem"])
    return cast(Reading, answer["reading"])
