"""A provider that answers with whatever a test hands it, over HTTP: for what no honest provider
sends, and for how connections end."""

import json
import socket
import ssl
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.fakes.serving import serving
from tests.fakes.strict import problem_of


class Act(Enum):
    """What may stand between the pieces of a body."""

    CLOSE = auto()  # the connection ends, and the body has not
    RESET = auto()  # the same, with an RST
    HANG = auto()  # nothing more comes until the client leaves


class Pieces(tuple[bytes | float | Act, ...]):
    """A body in pieces: bytes, seconds to wait, and acts."""

    __slots__ = ()


class ScriptedProvider:
    """`answer` is the next body: bytes as they are, Pieces one after the other, anything else as
    JSON; or a function from what was asked to a status and such a body. `status` and `headers` go
    before it, unless it is `silent`: then nothing comes at all. A `strict` one answers 400 to
    messages that not every model takes."""

    def __init__(self) -> None:
        self.base_url = ""
        self.reset()

    def reset(self) -> None:
        self.answer: Any = {}
        self.status = 200
        self.headers: Mapping[str, str] = {}
        self.silent = self.strict = False
        self.calls: list[dict[str, Any]] = []
        #: Connections that were made and that have ended; clients that left while they were kept
        #: waiting, or in the middle of pieces.
        self.connections = self.ended = self.left = 0

    def reply(self, asked: dict[str, Any]) -> tuple[int, Any]:
        """Notes the call; status and body of what it gets."""
        self.calls.append(asked)
        if self.strict and (problem := problem_of(asked["messages"])):
            return 400, {"error": {"message": problem}}
        return self.answer(asked) if callable(self.answer) else (self.status, self.answer)


@contextmanager
def serve[P: ScriptedProvider](provider: P, tls: ssl.SSLContext | None = None) -> Iterator[P]:
    """Lets the provider answer on a free port, any number of calls at the same time."""
    handler = type("Handler", (_Handler,), {"provider": provider})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    scheme = "https" if tls else "http"
    provider.base_url = f"{scheme}://127.0.0.1:{server.server_port}/v1"
    with serving(server):
        yield provider


class _Handler(BaseHTTPRequestHandler):
    provider: ScriptedProvider
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.provider.connections += 1

    def finish(self) -> None:
        try:
            super().finish()
        finally:
            self.provider.ended += 1

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        status, answer = self.provider.reply(json.loads(self.rfile.read(length)))
        if self.provider.silent:
            return self._hang()
        self.send_response(status)
        for name, value in self.provider.headers.items():
            self.send_header(name, value)
        if isinstance(answer, Pieces):
            return self._send_pieces(answer)
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        return None

    def _send_pieces(self, pieces: Pieces) -> None:
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            match piece:
                case bytes():
                    try:
                        self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                    except OSError:
                        return self._note_leaving()
                case float():
                    time.sleep(piece)
                case Act.HANG:
                    return self._hang()
                case Act():
                    return self._end(reset=piece is Act.RESET)
        self.wfile.write(b"0\r\n\r\n")
        return None

    def _hang(self) -> None:
        try:
            while self.connection.recv(1):
                pass
        except OSError:
            pass
        self._note_leaving()

    def _note_leaving(self) -> None:
        self.close_connection = True
        self.provider.left += 1

    def _end(self, *, reset: bool) -> None:
        self.close_connection = True
        if reset:
            lingering = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, lingering)

    def log_message(self, *_: object) -> None:
        """Says nothing."""
