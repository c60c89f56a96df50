"""A program of a user's that takes webhooks, over real HTTP on the loopback address. It checks each
signature as the library for receivers does."""

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from standardwebhooks import Webhook, WebhookVerificationError

from tests.waiting import PATIENCE, wait_for


class Received(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verify(self, secret: str) -> dict[str, Any]:
        """The message, if it is signed with this secret. Raises WebhookVerificationError."""
        message: dict[str, Any] = Webhook(secret).verify(self.body, self.headers)
        return message

    def is_signed_with(self, secret: str) -> bool:
        try:
            self.verify(secret)
        except WebhookVerificationError:
            return False
        return True


@dataclass
class Receiver:
    """`answers` are the statuses of the next requests; after them `status`. With the gate closed it
    answers nothing. `way` is how: `plain`, `redirect`, `drip` (a byte of the head every 0.1 s),
    `huge` (a body without end) or `nonsense` (no HTTP)."""

    origin: str
    port: int = 0
    status: int = 200
    way: str = "plain"
    answers: list[int] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    sent: int = 0

    @property
    def url(self) -> str:
        return f"{self.origin}:{self.port}/hook"

    def wait_for(self, count: int) -> None:
        wait_for(lambda: len(self.received) >= count, f"{count} messages, not {self.received}")

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers["Content-Length"])
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.received.append(Received(handler.path, headers, handler.rfile.read(length)))
        status = self.answers.pop(0) if self.answers else self.status
        self.gate.wait(PATIENCE)
        out = handler.wfile
        if self.way == "nonsense":
            out.write(b"220 mail.example.com ESMTP\r\n")
        elif self.way == "drip":
            while True:
                out.write(b"H")
                time.sleep(0.1)
        elif self.way == "huge":
            out.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                out.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
                self.sent += 0x10000
        else:
            where = f"Location: {self.url}/elsewhere\r\n" if self.way == "redirect" else ""
            out.write(f"HTTP/1.1 {status} X\r\n{where}Content-Length: 2\r\n\r\nok".encode())


@contextmanager
def running_receiver(certificate: Path | None = None) -> Iterator[Receiver]:
    """A receiver in threads of this process; with a certificate (and its key, in one PEM file) at
    `https://localhost`."""
    receiver = Receiver(origin="https://localhost" if certificate else "http://127.0.0.1")
    receiver.gate.set()

    class Handler(BaseHTTPRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):  # Whoever sends does not trust the certificate.
                super().handle()

        def do_POST(self) -> None:
            self.close_connection = True
            with suppress(OSError):  # Whoever sends has hung up.
                receiver.answer(self)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        # Without a handshake here: one that fails would end the server's loop.
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    receiver.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield receiver
    finally:
        receiver.gate.set()
        server.shutdown()
        server.server_close()
