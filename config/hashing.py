"""Bounds on hashing passwords, which takes a third of a second of CPU by design: few at a time in a
process, few that wait, and none holds a database connection meanwhile."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import connection

from config.errors import HttpError

_at_work = threading.BoundedSemaphore(settings.HASHES_AT_WORK)
_in_line = threading.BoundedSemaphore(settings.HASHES_AT_WORK + settings.HASHES_WAITING)


@contextmanager
def room_to_hash() -> Iterator[None]:
    """Waits for one of the HASHES_AT_WORK places, without a connection. Raises HttpError (503) when
    HASHES_WAITING others wait already, so few that waiting needs no deadline."""
    if not connection.in_atomic_block:
        connection.close()  # Back to the pool; the next query takes one again.
    if not _in_line.acquire(blocking=False):
        raise HttpError(503)
    try:
        with _at_work:
            yield
    finally:
        _in_line.release()


class BoundedHashing:
    """A hasher's `encode` within these bounds. Checking, making and upgrading a hash all call it;
    Django also does for a name without an account."""

    def encode(self, *args: Any, **options: Any) -> str:
        with room_to_hash():
            return str(super().encode(*args, **options))  # type: ignore[misc]


class PasswordHasher(BoundedHashing, PBKDF2PasswordHasher):
    """Django's preferred hasher, within bounds; hashes are its own."""
