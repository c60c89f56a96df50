"""Bodies of requests: read whole before Django is called, or refused. No thread waits for a body,
so one that never ends costs a connection for BODY_SECONDS."""

import asyncio
import re
from collections import Counter
from io import BytesIO
from typing import Any

from django.conf import settings

from config.errors import Busy, HttpError

type Receive = Any

#: Unfinished bodies of one client address take at most this fraction (1/4) of BODIES_TOGETHER.
ADDRESS_SHARE = 4
FORM_TOO_LARGE = "The files and all else in the form have more than {} MB together."
#: In the addresses of LARGE_BODIES an id is a star.
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class BrokenOff(HttpError):
    """The client disconnected, or the body ended before its length."""

    def __init__(self) -> None:
        super().__init__(400, "malformed", "The body ended before its length.")


class Bodies:
    """The bodies of one process. Used in its event loop alone."""

    def __init__(self) -> None:
        self._kept = 0
        self._arriving: Counter[str] = Counter()

    async def take(self, environ: dict[str, Any], address: str, receive: Receive) -> BytesIO:
        """The request's body, its length in `environ`; call `release` once the request is over.
        One whose Content-Length is too large is not read; Django refuses it, but for forms with
        files, which it would take for empty. Raises BrokenOff, HttpError (408) after BODY_SECONDS,
        HttpError (413), Busy when the bodies together are too large."""
        room = _room(environ)
        if int(environ.get("CONTENT_LENGTH") or 0) > room:
            if environ.get("CONTENT_TYPE", "").startswith("multipart/"):
                raise HttpError(413, message=FORM_TOO_LARGE.format(room // 1_000_000), limit=room)
            return BytesIO()
        seconds = settings.BODY_SECONDS * (2 if room > settings.DATA_UPLOAD_MAX_MEMORY_SIZE else 1)
        body = BytesIO()
        try:
            async with asyncio.timeout(seconds):
                await self._read(body, room, address, receive)
        except BaseException as error:
            self.release(body)
            if isinstance(error, TimeoutError):
                raise HttpError(408) from None
            raise
        finally:
            self._arriving[address] -= len(body.getbuffer())
            self._arriving += Counter()  # Forgets addresses of which nothing arrives.
        environ["CONTENT_LENGTH"] = str(body.tell())
        body.seek(0)
        return body

    async def _read(self, body: BytesIO, room: int, address: str, receive: Receive) -> None:
        """Reads at most one byte more than `room`."""
        most = settings.BODIES_TOGETHER
        while body.tell() <= room:
            message = await receive()
            if message["type"] != "http.request":
                raise BrokenOff
            piece = message.get("body", b"")[: room + 1 - body.tell()]
            body.write(piece)
            self._kept += len(piece)
            self._arriving[address] += len(piece)
            if self._kept > most or self._arriving[address] > most // ADDRESS_SHARE:
                raise Busy
            if not message.get("more_body"):
                break

    def release(self, body: BytesIO) -> None:
        """Takes a body out of the sum; its request is over."""
        self._kept -= len(body.getbuffer())


def _room(environ: dict[str, Any]) -> int:
    """Bytes that this request's body may have; large ones need a session cookie, a token or a
    key."""
    usual = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    cookies = environ.get("HTTP_COOKIE", "")
    has_token = "HTTP_AUTHORIZATION" in environ or "HTTP_X_API_KEY" in environ
    if has_token or settings.SESSION_COOKIE_NAME in cookies:
        return settings.LARGE_BODIES.get(ID.sub("*", environ["PATH_INFO"]), usual)
    return usual
