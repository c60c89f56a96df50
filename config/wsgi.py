"""The WSGI application that granian serves."""

import os
import re
import sys
import threading
import weakref
from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.wsgi import get_wsgi_application

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# Seconds for which a thread keeps the interpreter while others wait. An answer passes through three
# threads before its first token is out; with the default of 5 ms each hand-over may take that long.
sys.setswitchinterval(0.0005)

CHARSET = re.compile(r";\s*charset\s*=[^;]*", re.IGNORECASE)
BROKEN_OFF = (
    "400 Bad Request",
    b'{"error": "malformed", "message": "The body ended before its length."}',
)
NO_ROOM = (
    "503 Service Unavailable",
    b'{"error": "unavailable", "message": "The site is busy. Try again in a moment."}',
)
django_application = get_wsgi_application()


def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Django without the charset of the body's type: all is UTF-8 here. It would apply
    `charset=rot13` and fail while making the request, before any handler of errors is in place."""
    environ["CONTENT_TYPE"] = CHARSET.sub("", environ.get("CONTENT_TYPE", ""))
    if refusal := take_body(environ):
        status, content = refusal
        headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
        start_response(status, [*headers, *([("Retry-After", "2")] if refusal is NO_ROOM else [])])
        return [content]
    return django_application(environ, start_response)


def take_body(environ: "WSGIEnvironment") -> tuple[str, bytes] | None:
    """Reads the body that Django would misread: one in chunks, whose length no header says, it
    takes for empty; one that was broken off, for a shorter one, and that may be a message to
    charge. Returns how to refuse it when it is not whole, or when too many large ones are kept
    already. One that is too large by itself is left to be refused."""
    usual = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    room = settings.LARGE_BODIES.get(environ.get("PATH_INFO", ""), usual)
    is_chunked = "HTTP_TRANSFER_ENCODING" in environ
    declared = int(environ.get("CONTENT_LENGTH") or 0)
    length = room + 1 if is_chunked else declared
    if not 0 < length <= room + is_chunked:
        return None
    reserved = length if length > usual + 1 else 0
    if not _large_bodies.reserve(reserved):
        return NO_ROOM
    content = environ["wsgi.input"].read(length)
    body = BytesIO(content)
    # As long as a request has it; a stream keeps its request to the end.
    weakref.finalize(body, _large_bodies.release, reserved)
    if is_chunked:
        environ["CONTENT_LENGTH"] = str(len(content))
    elif len(content) < length:
        return BROKEN_OFF
    environ["wsgi.input"] = body
    return None


class _LargeBodies:
    """How many bytes of bodies above the usual size are kept in this process."""

    def __init__(self) -> None:
        # A body may be collected, and so given back, while its thread reserves another.
        self._lock = threading.RLock()
        self._kept = 0

    def reserve(self, size: int) -> bool:
        """Whether there is room for so many bytes more; then they count."""
        with self._lock:
            has_room = not size or self._kept + size <= settings.LARGE_BODIES_TOGETHER
            self._kept += size if has_room else 0
        return has_room

    def release(self, size: int) -> None:
        with self._lock:
            self._kept -= size


_large_bodies = _LargeBodies()
