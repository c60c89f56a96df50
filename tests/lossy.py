"""A wire to PostgreSQL that can lose an answer: the statement is done and committed, and the client
sees a broken connection."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.base import DatabaseWrapper

from tests.parallel import own_connection


class LossyWire:
    """Passes bytes between a client and the server until `lose_next_answer()`; then the first bytes
    that come back from the server are the last, and nobody gets them.

    PostgreSQL sends the answer to a simple query after the commit, so what is lost had landed.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._door = socket.create_server(("127.0.0.1", 0))
        self._losing = threading.Event()
        self.port = int(self._door.getsockname()[1])
        self.lost = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def lose_next_answer(self) -> None:
        self._losing.set()

    def close(self) -> None:
        self._door.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._door.accept()
                server = self._connect()
                for source, sink, answers in ((client, server, False), (server, client, True)):
                    threading.Thread(
                        target=self._pass, args=(source, sink, answers), daemon=True
                    ).start()

    def _connect(self) -> socket.socket:
        host, port = self._server
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server

    def _pass(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        with suppress(OSError), source, sink:
            while data := source.recv(65536):
                if answers and self._losing.is_set():
                    self._losing.clear()
                    self.lost += 1
                    sink.shutdown(socket.SHUT_RDWR)
                    return
                sink.sendall(data)


@contextmanager
def over_lossy_wire() -> Iterator[tuple[LossyWire, BaseDatabaseWrapper]]:
    """Gives this thread a connection over a lossy wire. It is Django's plain one: the embedded
    database's own would take the wire's host for the folder of another server."""
    with own_connection() as connection:
        connection.ensure_connection()
        info = connection.connection.info
        wire = LossyWire(info.host, info.port)
        where = {"HOST": "127.0.0.1", "PORT": str(wire.port)}
        who = {"USER": info.user, "PASSWORD": info.password}
        connection.close()
        wired = DatabaseWrapper({**connection.settings_dict, **where, **who}, connection.alias)
        connections[connection.alias] = wired
        try:
            yield wire, wired
        finally:
            wired.close()
            connections[connection.alias] = connection
            wire.close()
