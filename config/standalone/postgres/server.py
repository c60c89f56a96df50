"""What a process that needs the embedded PostgreSQL does: join, start it if need be, and leave."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from psycopg import errors, sql

from .layout import make_directory, wheel_binaries
from .process_table import wait_until
from .server_files import SET_DATABASE_URL, FileLock, ServerAddress, ServerFiles, SetupError
from .supervisor import NEEDS_SETUP

START_SECONDS = 120.0
CONNECT_SECONDS = 20.0
LEAVE_SECONDS = 60.0
CREATED_MEANWHILE = (errors.DuplicateDatabase, errors.UniqueViolation)
# Every connection asks; that the server was up a moment ago is answer enough.
TRUST_SECONDS = 1.0
PROJECT = Path(__file__).resolve().parents[3]
# All that the server gets of our environment, which holds secrets.
PASSED_ON = ("PATH", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class EmbeddedPostgresUnavailable(OperationalError):
    """The server did not start, or does not answer; the text shows its log and what to do."""


class _Server(NamedTuple):
    """What this process knows of a running server."""

    address: ServerAddress
    trusted_until: float
    databases: set[str]


_locks: dict[Path, FileLock] = {}
_servers: dict[Path, _Server] = {}
_mutex = threading.Lock()
# A forked child keeps its parent's share in the server, and must not inherit the mutex locked.
os.register_at_fork(
    before=_mutex.acquire, after_in_parent=_mutex.release, after_in_child=_mutex.release
)


def ensure_running(
    directory: Path, *, database: str | None = None, options: Mapping[str, str] | None = None
) -> ServerAddress:
    """Keeps the server of `directory` up while this process lives, and returns its address. Starts
    it when it is down (`options` are then further server settings), also after its supervisor was
    killed, and creates `database` when it is missing. Raises ImproperlyConfigured when somebody
    must change something, else EmbeddedPostgresUnavailable."""
    files = ServerFiles(directory.absolute())
    with _mutex, _translated_errors(files):
        server = _servers.get(files.directory)
        if not server or time.monotonic() > server.trusted_until:
            _join(files)
            address, databases = _running(files), server.databases if server else set()
            deadline = time.monotonic() + START_SECONDS
            while not address:
                wheel_binaries()  # Raises before anything is started.
                _run_supervisor(files, options or {}, seconds=deadline - time.monotonic())
                address, databases = _running(files), set()
            server = _Server(address, time.monotonic() + TRUST_SECONDS, databases)
            _servers[files.directory] = server
        if database is not None and database not in server.databases:
            _create_if_missing(server.address, database)
            server.databases.add(database)
    return server.address


def leave(directory: Path) -> bool:
    """Gives up this process' use of the server; returns whether the server has stopped. Waits for
    that, at most LEAVE_SECONDS, unless others use it. A process that ends need not call it."""
    files = ServerFiles(directory.absolute())
    with _mutex:
        _servers.pop(files.directory, None)
        if lock := _locks.pop(files.directory, None):
            lock.close()
    deadline = time.monotonic() + LEAVE_SECONDS
    while files.is_supervised():
        with closing(FileLock(files.clients)) as lock:
            # Neither possible: the supervisor has it for itself and is stopping the server.
            has_clients = lock.try_shared() and not lock.try_exclusive()
        if has_clients or time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@contextmanager
def _translated_errors(files: ServerFiles) -> Iterator[None]:
    try:
        yield
    except SetupError as error:
        raise ImproperlyConfigured(str(error)) from None
    except PermissionError as error:
        raise ImproperlyConfigured(
            f"This user may not use the embedded database in {files.directory} ({error}). "
            f"Run Tally as the user it belongs to, or {SET_DATABASE_URL}."
        ) from error
    except OSError as error:
        raise EmbeddedPostgresUnavailable(f"Cannot use {files.directory}: {error}") from error


def _join(files: ServerFiles) -> None:
    """Counts this process among the clients, once."""
    lock = _locks.get(files.directory)
    if lock and lock.is_current():
        return
    if lock:  # Somebody deleted the directory under us.
        lock.close()
    make_directory(files.directory)
    lock = FileLock(files.clients)
    # A supervisor that saw no client left holds the lock until the server has stopped.
    if not wait_until(lock.try_shared, seconds=START_SECONDS):
        lock.close()
        raise EmbeddedPostgresUnavailable(
            f"The embedded PostgreSQL is stopping and does not end, see {files.log}."
        )
    _locks[files.directory] = lock


def _running(files: ServerFiles) -> ServerAddress | None:
    return files.read_address() if files.is_supervised() else None


def _run_supervisor(files: ServerFiles, options: Mapping[str, str], *, seconds: float) -> None:
    """Returns when the server is ready, whoever started it."""
    command = [sys.executable, "-m", f"{__package__}.supervisor", str(files.directory)]
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    # It finds what we found, however we were told where.
    environment["PYTHONPATH"] = os.pathsep.join([str(PROJECT), *filter(None, sys.path)])
    try:
        result = subprocess.run(
            [*command, *(f"{name}={value}" for name, value in options.items())],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=max(seconds, 0.1),
            cwd=PROJECT,
            env=environment,
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise EmbeddedPostgresUnavailable(
            f"The embedded PostgreSQL is not ready after {START_SECONDS:.0f} seconds. "
            f"Wait and try again, look into {files.log}, or {SET_DATABASE_URL}."
        ) from None
    if result.returncode == NEEDS_SETUP:
        raise ImproperlyConfigured(result.stdout.strip())
    if result.returncode != 0:
        raise EmbeddedPostgresUnavailable((result.stdout + result.stderr).strip())


def _create_if_missing(address: ServerAddress, database: str) -> None:
    """Tries again while the server comes back from a crash."""
    where: dict[str, Any] = {**address._asdict(), "dbname": "postgres", "autocommit": True}
    known = "SELECT 1 FROM pg_database WHERE datname = %s"
    create = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database))
    deadline = time.monotonic() + CONNECT_SECONDS
    while True:
        try:
            with psycopg.connect(**where) as connection, suppress(*CREATED_MEANWHILE):
                if not connection.execute(known, [database]).fetchone():
                    connection.execute(create)
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                raise EmbeddedPostgresUnavailable(str(error)) from error
            time.sleep(0.1)
        else:
            return
