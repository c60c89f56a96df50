"""Sending Django's responses through granian. A short one is buffered, a file of this machine is
read by the event loop, and its thread is free; any other keeps its thread while it is made and
read. A piece may take SEND_SECONDS."""

import asyncio
import logging
import os
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from io import BufferedReader
from typing import Any, BinaryIO, NamedTuple

from django.conf import settings
from django.core.files import File
from django.http import HttpResponseBase

logger = logging.getLogger(__name__)

type Message = dict[str, Any]
type Send = Callable[[Message], Awaitable[None]]
type Receive = Callable[[], Awaitable[Message]]

#: Bytes of a piece, and of the longest answer that is buffered.
PIECE = 65_536
HELD = 1_000_000
#: Pieces of a stream that are buffered.
AHEAD = 4


class Head(NamedTuple):
    """Status and headers of an answer; its whole `content` where it is short, or its `file`."""

    status: int
    headers: list[tuple[bytes, bytes]]
    content: bytes | None = None
    file: BinaryIO | None = None


class Answer:
    """One answer on its way from a thread to the event loop, in which it is created."""

    def __init__(self, receive: Receive) -> None:
        self._loop = asyncio.get_running_loop()
        self._receive = receive
        self._leaving: asyncio.Future[None] | None = None
        self._parts: asyncio.Queue[Head | bytes | None] = asyncio.Queue()
        self._room = threading.Semaphore(AHEAD)
        #: Whether the client has left, as far as it is watched.
        self.is_left = False
        self._on_leaving: Callable[[], object] | None = None
        self._head: Head | None = None

    def when_left(self, call: Callable[[], object] | None) -> None:
        """Has the client watched from now on (`is_left`), and `call` called, in the event loop,
        when it leaves before the end of the answer. From the thread that makes it."""
        self._on_leaving = call
        with suppress(RuntimeError):  # The loop has ended, and with it the process.
            self._loop.call_soon_threadsafe(self._watch)

    def make(self, application: Callable[..., Iterable[bytes]], environ: dict[str, Any]) -> None:
        """In a thread: calls the WSGI application and passes its answer on. Raises nothing."""
        response: Iterable[bytes] = ()
        try:
            response = application(environ, self._start)
            self._pass_on(response)
        except BaseException:  # Also what would end the thread.
            logger.exception("An answer broke off.")
        finally:
            self._put(None)
            _close(response)

    def _pass_on(self, response: Iterable[bytes]) -> None:
        assert self._head
        if _is_short(response):
            self._put(self._head._replace(content=b"".join(response)))
            return
        if file := _local_file(response):
            self._put(self._head._replace(file=file))
            return
        self._put(self._head)
        for piece in response:
            if piece and not self._put_in_turn(piece):
                return
        self._put(b"")

    def _start(self, status: str, headers: list[tuple[str, str]], *_: Any) -> None:
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        self._head = Head(int(status[:3]), encoded)

    def _put_in_turn(self, piece: bytes) -> bool:
        """Waits until the client has read enough of what was put before; whether it still reads."""
        if not self._room.acquire(timeout=settings.SEND_SECONDS + 1) or self.is_left:
            return False
        self._put(piece)
        return True

    def _put(self, part: Head | bytes | None) -> None:
        try:
            self._loop.call_soon_threadsafe(self._parts.put_nowait, part)
        except RuntimeError:  # The loop has ended, and with it the process.
            self.is_left = True

    async def deliver(self, send: Send) -> None:
        """In the event loop: sends the answer as it is made. Returns before its end when it breaks
        off or the client leaves: then granian closes the connection. Raises TimeoutError when the
        client does not read."""
        try:
            head = await self._parts.get()
            if not isinstance(head, Head):
                return
            if head.content is not None:
                await send_whole(send, head)
            elif head.file is not None:
                await _send_file(send, head, head.file)
            else:
                self._watch()
                await _start(send, head)
                await send({"type": "http.response.body", "body": b"", "more_body": True})
                await self._send_parts(send)
        finally:
            if self._leaving:
                self._leaving.cancel()
            self._leave()

    async def _send_parts(self, send: Send) -> None:
        while (part := await self._parts.get()) is not None:
            assert isinstance(part, bytes)
            await _send_piece(send, part, more=bool(part))
            self._room.release()

    def _watch(self) -> None:
        if self._leaving is None:
            self._leaving = asyncio.ensure_future(self._until_left())
        elif self.is_left and self._on_leaving:
            self._on_leaving()

    async def _until_left(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._leave()
        if self._on_leaving:
            self._on_leaving()

    def _leave(self) -> None:
        self.is_left = True
        self._room.release()


def watch_client(environ: Mapping[str, Any], call: Callable[[], object] | None = None) -> None:
    """Watches whether the client leaves before the end of its answer (`has_left`), and has `call`
    called then, or at once if it has, which must not wait: while nothing is written, nothing else
    would tell."""
    if answer := environ.get("tally.answer"):
        answer.when_left(call)


def has_left(environ: Mapping[str, Any]) -> bool:
    """Whether a client that is watched has left before the end of its answer."""
    answer = environ.get("tally.answer")
    return answer is not None and answer.is_left


def _close(response: Iterable[bytes]) -> None:
    """Calls what Django has waiting for the response's end. What fails there has been answered."""
    try:
        if close := getattr(response, "close", None):
            close()
    except BaseException:
        logger.exception("An answer could not be closed.")


def _is_short(response: Any) -> bool:
    """Whether an answer is known to have at most HELD bytes, and to be there: no stream, or a small
    file."""
    if not isinstance(response, HttpResponseBase) or not response.streaming:
        return True
    return int(response.headers.get("Content-Length", HELD + 1)) <= HELD


def is_on_disk(file: Any) -> bool:
    """Whether a file of Django's storage can be read without waiting: it is one of this machine."""
    return isinstance(file, File) and isinstance(file.file, BufferedReader)


def _local_file(response: Any) -> BinaryIO | None:
    """The file of a response that is one of this machine, for the event loop: the response closes
    its own as soon as its thread is free."""
    file = getattr(response, "file_to_stream", None)
    return open(os.dup(file.fileno()), "rb") if file and is_on_disk(file) else None


async def _send_file(send: Send, head: Head, file: BinaryIO) -> None:
    with file:
        await _start(send, head)
        while piece := file.read(PIECE):
            await _send_piece(send, piece, more=True)
        await _send_piece(send, b"", more=False)


async def send_whole(send: Send, head: Head) -> None:
    """Sends an answer with its content. Raises TimeoutError when the client does not read."""
    content = head.content or b""
    await _start(send, head)
    for start in range(PIECE, len(content) + PIECE, PIECE):
        await _send_piece(send, content[start - PIECE : start], more=start < len(content))
    if not content:
        await _send_piece(send, b"", more=False)


async def _start(send: Send, head: Head) -> None:
    await send({"type": "http.response.start", "status": head.status, "headers": head.headers})


async def _send_piece(send: Send, piece: bytes, *, more: bool) -> None:
    message = {"type": "http.response.body", "body": piece, "more_body": more}
    if not more:
        await send(message)
        return
    async with asyncio.timeout(settings.SEND_SECONDS):
        await send(message)
