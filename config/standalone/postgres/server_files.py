"""The files that clients and the supervisor of one embedded PostgreSQL share."""

import fcntl
import json
import os
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

SET_DATABASE_URL = "set DATABASE_URL to any PostgreSQL 15 or newer"


class SetupError(Exception):
    """The embedded PostgreSQL cannot work until somebody changes something; the text says what."""


class StartError(Exception):
    """The server did not start; the text holds the last lines of its log."""


class ServerAddress(NamedTuple):
    """How to reach the server: `host` is the directory of its Unix socket."""

    host: str
    port: int
    user: str


class FileLock:
    """A lock kept by the kernel: it ends with the last process that inherited the open file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def try_shared(self) -> bool:
        """Takes the lock beside other shared ones; False when somebody has it exclusively."""
        return self._try(fcntl.LOCK_SH)

    def try_exclusive(self) -> bool:
        """Takes the lock alone; False when another open file has it."""
        return self._try(fcntl.LOCK_EX)

    def _try(self, mode: int) -> bool:
        try:
            fcntl.flock(self._file, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def is_current(self) -> bool:
        """False when the file was deleted or replaced: others then lock another one."""
        try:
            return os.path.samestat(os.fstat(self._file), os.stat(self.path))
        except FileNotFoundError:
            return False

    def close(self) -> None:
        os.close(self._file)


class ServerFiles:
    """The directory of one embedded PostgreSQL, `var/postgres` in a checkout."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        #: Locked (shared) by every client process; the supervisor tries for it alone.
        self.clients = directory / "clients.lock"
        #: Locked by the one supervisor for as long as it lives.
        self.supervisor = directory / "supervisor.lock"
        self.log = directory / "postgres.log"
        #: Exists where the cluster had to move elsewhere, and says where.
        self.location = directory / "location"
        self._state = directory / "server.json"

    def read_address(self) -> ServerAddress | None:
        """Where the server is; None while it is not ready."""
        try:
            return ServerAddress(*json.loads(self._state.read_text()))
        except FileNotFoundError:
            return None

    def write_address(self, address: ServerAddress) -> None:
        """Says that the server is ready, to every client at once: the file is replaced whole."""
        unfinished = self._state.with_suffix(".new")
        unfinished.write_text(json.dumps(address))
        unfinished.replace(self._state)

    def remove_address(self) -> None:
        self._state.unlink(missing_ok=True)

    def is_supervised(self) -> bool:
        """Whether a supervisor lives."""
        with closing(FileLock(self.supervisor)) as lock:
            return not lock.try_shared()
