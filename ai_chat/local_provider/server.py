"""The HTTP server, from the standard library with a thread per connection, and its connections."""

import logging
import os
import signal
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any, NoReturn, override

from ai_chat.local_provider import wire
from ai_chat.local_provider.engine import ChatRequest, Engine, ImageRequest
from ai_chat.local_provider.wire import ApiError

MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_DISCARDED_BYTES = 16 * MAX_BODY_BYTES
IDLE_SECONDS = 120.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Call:
    """A valid call as it starts: before its faults are applied and the engine is asked."""

    request: ChatRequest | ImageRequest
    faults: tuple[str, ...]


class ProviderServer(socketserver.ThreadingTCPServer):
    """Serves an engine on `host`:`port` (0 picks a free port) in a thread until `stop()`.

    `on_call` is called with every valid call as it starts. Raises OSError where the port is taken.
    """

    allow_reuse_address = True
    daemon_threads = True
    # Without this, every thread that ever served would be kept until the server closes.
    block_on_close = False
    request_queue_size = 1024

    def __init__(
        self,
        engine: Engine,
        handler: type["Connection"],
        *,
        port: int,
        host: str,
        on_call: Callable[[Call], None] | None,
    ) -> None:
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), handler)
        self.engine = engine
        self.on_call = on_call
        self.stopping = threading.Event()
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def address(self) -> tuple[str, int]:
        """The host and the port that it serves on."""
        return str(self.server_address[0]), self.server_address[1]

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as its base URL."""
        host, port = self.address
        return f"http://[{host}]:{port}/v1" if ":" in host else f"http://{host}:{port}/v1"

    def stop(self) -> None:
        """Stop accepting and end every open connection; answers in flight are broken off."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    @override
    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Keep the connection in a set while it is open, so that `stop` can end it."""
        with self._lock:
            self._connections.add(request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._connections.discard(request)

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what is not merely a client that broke its connection."""
        if not isinstance(sys.exception(), OSError):
            logger.exception("a connection ended by an error in the local provider")


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
            self._send_error(error)
        except (ClientGone, OSError):
            self.close_connection = True
            self.status = 499
        seconds = time.monotonic() - started
        logger.info("%s %s %d %.3fs", self.command, self.route(path), self.status, seconds)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET

    @override
    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what is not valid HTTP; the base class would send HTML."""
        self.close_connection = True
        # Where the first line is invalid, the version read from it is 0.9: no head at all.
        self.request_version = self.protocol_version
        self.streaming = False
        self._send_error(ApiError(code, self.responses[code][0]))

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Not the base class's lines on stderr: `do_GET` logs one of its own."""

    def client_gone(self) -> bool:
        """Whether the client has closed: only then is there an end of file to peek at."""
        self.connection.settimeout(0)
        try:
            return not self.connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        finally:
            self.connection.settimeout(IDLE_SECONDS)

    def send_body(self, body: bytes, *, status: int = 200, cut: bool = False) -> None:
        """A whole JSON answer; with `cut` the connection ends half-way through it."""
        self._send_head(status, {"Content-Type": "application/json", "Content-Length": len(body)})
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self.hang_up()

    def start_stream(self) -> None:
        """The head of a stream of server-sent events; it ends with `send_chunk(b"")`."""
        self.streaming = True
        self._send_head(200, {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"})

    def send_chunk(self, data: bytes) -> None:
        """One piece of a stream, in one packet."""
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def hang_up(self) -> None:
        """End the connection in the middle of an answer."""
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _send_error(self, error: ApiError) -> None:
        if self.streaming:
            self.send_chunk(wire.event(error.body()))
            self.send_chunk(b"")
        else:
            self.send_body(wire.encode(error.body()), status=error.status)

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
            self._discard(length)
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
            raise ApiError(400, "The Content-Length is not valid.", code="invalid_header")
        return int(text)

    def _discard(self, length: int) -> None:
        # Closing on unread bytes resets the connection, and the client would never see the answer.
        self.close_connection = True
        left = min(length, MAX_DISCARDED_BYTES)
        while left > 0 and (piece := self.rfile.read(min(left, 65536))):
            left -= len(piece)


def run_until_signalled(server: ProviderServer) -> NoReturn:
    """Serve until SIGTERM or SIGINT, then end this process at once with status 0."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    while not stop.wait(1):
        pass
    server.stop()
    logging.shutdown()
    # There is nothing to save, and a thread inside an engine could hold up a normal exit.
    os._exit(0)
