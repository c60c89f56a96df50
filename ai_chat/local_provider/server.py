"""The HTTP server, from the standard library with a thread per connection."""

import logging
import os
import signal
import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any, NoReturn, override

from ai_chat.local_provider.engine import Engine, Request

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Call:
    """A valid call as it starts: before its faults are applied and the engine is asked."""

    request: Request
    faults: tuple[str, ...]


class ProviderServer(socketserver.ThreadingTCPServer):
    """Serves an engine on `host`:`port` (0 picks a free port) in a thread until `stop()`. `on_call`
    is called with every valid call as it starts. Raises OSError where the port is taken."""

    allow_reuse_address = True
    daemon_threads = True
    # Without this, every thread that ever served would be kept until the server closes.
    block_on_close = False
    request_queue_size = 1024

    def __init__(
        self,
        engine: Engine,
        port: int,
        host: str = "127.0.0.1",
        on_call: Callable[[Call], None] | None = None,
        *,
        handler: type[BaseHTTPRequestHandler],
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
