"""HTTP as the provider speaks it: bounded bodies in; JSON, streams and broken answers out."""

import logging
import socket
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import Any, override

from ai_chat.local_provider import wire
from ai_chat.local_provider.errors import ApiError
from ai_chat.local_provider.server import ProviderServer

MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_DRAINED_BYTES = 16 * MAX_BODY_BYTES
IDLE_SECONDS = 120.0

logger = logging.getLogger(__name__)


class ClientGone(Exception):
    """The client closed its connection, or the server is stopping."""


class Connection(BaseHTTPRequestHandler):
    """Answers the requests of one connection, one after the other. Never logs a body."""

    protocol_version = "HTTP/1.1"
    server_version = "TallyLocalProvider"
    sys_version = ""
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True
    server: ProviderServer
    status = 0
    streaming = False

    def answer(self, path: str, body: bytes) -> None:
        """Answer one request whose body was read. Raises ApiError, or ClientGone."""
        raise NotImplementedError

    def route(self, path: str) -> str:
        """The path as it may be logged: one that does not exist could hold anything."""
        raise NotImplementedError

    def do_GET(self) -> None:
        """Answer one request, whatever its method."""
        started = time.monotonic()
        self.status, self.streaming = 0, False
        path = self.path.partition("?")[0]
        try:
            self.answer(path, self._read_body())
        except ApiError as error:
            self._fail(error)
        except (ClientGone, OSError):
            self.close_connection = True
            self.status = 499
        seconds = time.monotonic() - started
        logger.info("%s %s %d %.3fs", self.command, self.route(path), self.status, seconds)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET

    @override
    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what is no valid HTTP request; the base class would send HTML."""
        self.close_connection = True
        # Where the first line made no sense, the version read from it is 0.9: no head at all.
        self.request_version = self.protocol_version
        self.send_json(code, ApiError(code, self.responses[code][0]).body())

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Not the base class's lines on stderr: `do_GET` writes one of its own."""

    def client_gone(self) -> bool:
        """Whether the other end has closed: only then is there an end of file to peek at."""
        self.connection.settimeout(0)
        try:
            return not self.connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        finally:
            self.connection.settimeout(IDLE_SECONDS)

    def send_json(self, status: int, data: dict[str, Any]) -> None:
        """A whole JSON answer."""
        self.send_body(wire.encode(data), status=status)

    def send_body(self, body: bytes, *, status: int = 200, cut: bool = False) -> None:
        """A whole answer; with `cut` the connection dies half-way through the body."""
        self._send_head(status, {"Content-Type": "application/json", "Content-Length": len(body)})
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self.hang_up()

    def start_stream(self) -> None:
        """The head of a stream of server-sent events; its end is `send_chunk(b"")`."""
        self.streaming = True
        self._send_head(200, {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"})

    def send_chunk(self, data: bytes) -> None:
        """One piece of a stream, in one packet."""
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def hang_up(self) -> None:
        """End the connection in the middle of an answer, as a dying server does."""
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _fail(self, error: ApiError) -> None:
        if not self.streaming:
            self.send_json(error.status, error.body())
            return
        self.send_chunk(wire.event(error.body()))
        self.send_chunk(b"")

    def _send_head(self, status: int, headers: dict[str, str | int]) -> None:
        self.status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, str(value))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def _read_body(self) -> bytes:
        length = self._content_length()
        if length > MAX_BODY_BYTES:
            self._drain(length)
            raise ApiError(413, f"A body has at most {MAX_BODY_BYTES} bytes.", code="too_large")
        body = self.rfile.read(length)
        if len(body) < length:
            raise ClientGone
        return body

    def _content_length(self) -> int:
        text = self.headers.get("Content-Length") or "0"
        if self.headers.get("Transfer-Encoding"):
            self.close_connection = True
            raise ApiError(411, "Send the body with a Content-Length.", code="length_required")
        if not (text.isascii() and text.isdigit() and len(text) < 16):
            self.close_connection = True
            raise ApiError(400, "The Content-Length is no sane number.", code="invalid_header")
        return int(text)

    def _drain(self, length: int) -> None:
        # Closing on unread bytes resets the connection, and the client would never see the answer.
        self.close_connection = True
        left = min(length, MAX_DRAINED_BYTES)
        while left > 0 and (piece := self.rfile.read(min(left, 65536))):
            left -= len(piece)
