"""Bodies of requests: taken whole before Django sees them, or refused. A body that is being sent
keeps no thread, so that one which never ends costs its connection, for BODY_SECONDS."""

import asyncio
from collections import Counter
from io import BytesIO
from typing import Any

from django.conf import settings

from config.errors import Busy, HttpError

type Receive = Any

#: One address may have so much of what all bodies together may take, until they are whole.
ADDRESS_SHARE = 4


class BrokenOff(HttpError):
    """The client left, or broke the body off: it is no request."""

    def __init__(self) -> None:
        super().__init__(400, "malformed", "The body ended before its length.")


class Bodies:
    """The bodies of one process. Used in its event loop alone."""

    def __init__(self) -> None:
        self._kept = 0
        self._arriving: Counter[str] = Counter()

    async def take(self, environ: dict[str, Any], address: str, receive: Receive) -> BytesIO:
        """The request's body, its length in `environ`; call `release` once the request is over.
        One that says it is too large is left, for the answer to say so. Raises BrokenOff,
        HttpError (408) when it did not come in time, Busy when too much is kept already."""
        room = _room(environ)
        if int(environ.get("CONTENT_LENGTH") or 0) > room:
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
        """Up to one byte more than there is room for."""
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
        """The body is no longer kept."""
        self._kept -= len(body.getbuffer())


def _room(environ: dict[str, Any]) -> int:
    """Bytes that this request's body may have. Large ones are for those who are somebody."""
    usual = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    cookies = environ.get("HTTP_COOKIE", "")
    if "HTTP_AUTHORIZATION" in environ or settings.SESSION_COOKIE_NAME in cookies:
        return settings.LARGE_BODIES.get(environ["PATH_INFO"], usual)
    return usual
