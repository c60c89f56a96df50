"""Wires that fail. To PostgreSQL, one that can lose an answer: the statement is done and committed,
and the client sees a broken connection. To a site, one that a browser meets on a train."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from urllib.parse import urlsplit

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.base import DatabaseWrapper

from tests.live import Site
from tests.parallel import own_connection


class Wire:
    """Passes bytes between clients and a server, at a port of its own."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self.port = 0
        self.open()

    def open(self) -> None:
        """Listens; again at the same port after `close`."""
        self._door = socket.create_server(("127.0.0.1", self.port))
        self.port = int(self._door.getsockname()[1])
        threading.Thread(target=self._accept, args=(self._door,), daemon=True).start()

    def close(self) -> None:
        """Connections are refused from now on."""
        with suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)  # Ends the `accept` of the other thread.
        self._door.close()

    def _accept(self, door: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = door.accept()
                try:
                    server = self._connect()
                except OSError:
                    client.close()
                    raise
                self._join(client, server)

    def _join(self, client: socket.socket, server: socket.socket) -> None:
        for source, sink, answers in ((client, server, False), (server, client, True)):
            threading.Thread(target=self._pass, args=(source, sink, answers), daemon=True).start()

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
                self._deliver(data, sink, answers)
            sink.shutdown(socket.SHUT_RDWR)

    def _deliver(self, data: bytes, sink: socket.socket, answers: bool) -> None:
        """Raises OSError where the connection is to end."""
        sink.sendall(data)


class LossyWire(Wire):
    """Passes bytes until `lose_next_answer()`; then the first answer after which no transaction is
    open is the last, and nobody gets it.

    PostgreSQL sends it after the commit, so what is lost had landed.
    """

    #: The end of such an answer: ReadyForQuery, idle.
    _IDLE = b"Z\x00\x00\x00\x05I"

    def __init__(self, host: str, port: int) -> None:
        self._losing = threading.Event()
        self.lost = 0
        super().__init__(host, port)

    def lose_next_answer(self) -> None:
        self._losing.set()

    def _deliver(self, data: bytes, sink: socket.socket, answers: bool) -> None:
        if answers and self._losing.is_set() and data.endswith(self._IDLE):
            self._losing.clear()
            self.lost += 1
            sink.shutdown(socket.SHUT_RDWR)
            raise ConnectionError
        sink.sendall(data)


class Network(Wire):
    """Between a browser and a site: connections end, stand still without an end, or crawl."""

    def __init__(self, host: str, port: int) -> None:
        self._sockets: list[socket.socket] = []
        self._frozen: set[socket.socket] = set()
        #: Seconds for which each piece of an answer is held up.
        self.delay = 0.0
        super().__init__(host, port)

    def _join(self, client: socket.socket, server: socket.socket) -> None:
        self._sockets += [client, server]
        super()._join(client, server)

    def cut(self) -> None:
        """Ends every connection there is; none that is made while others are still being ended."""
        ending, self._sockets = self._sockets, []
        for each in ending:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def freeze(self) -> None:
        """No byte passes any connection there is, and none of them ends. New ones are not held."""
        self._frozen.update(self._sockets)

    def go_away(self) -> None:
        """The site cannot be reached until `open`."""
        self.close()
        self.cut()

    def _deliver(self, data: bytes, sink: socket.socket, answers: bool) -> None:
        time.sleep(self.delay if answers else 0)
        while sink in self._frozen:
            if sink not in self._sockets:
                raise ConnectionError
            time.sleep(0.02)
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


@contextmanager
def over_network(site: Site) -> Iterator[tuple[Network, Site]]:
    """The same site at an address of its own, over a network that can fail."""
    address = urlsplit(site.base_url)
    network = Network(str(address.hostname), int(address.port or 0))
    try:
        yield network, replace(site, base_url=f"http://127.0.0.1:{network.port}", clients=[])
    finally:
        network.go_away()
