"""Processes that use an embedded PostgreSQL as the site's own do, and what its server shows."""

import json
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from config.standalone.postgres import server
from config.standalone.postgres.process_table import titles, wait_until
from config.standalone.postgres.server_files import ServerFiles
from tests.processes import ROOT
from tests.waiting import PATIENCE

# A throwaway cluster need not survive a power cut.
THROWAWAY = {"fsync": "off", "full_page_writes": "off"}
PROGRAM = """
import json, os, sys
from pathlib import Path
import psycopg
from config.standalone.postgres.server import ensure_running

directory, options, uid = Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3])
if uid:
    os.setuid(uid)

def ask(statement):
    address = ensure_running(directory, database="tally", options=options)
    with psycopg.connect(
        host=address.host, port=address.port, user=address.user, dbname="tally"
    ) as connection:
        result = connection.execute(statement)
        return result.fetchone()[0] if result.description else None

for line in sys.stdin:
    try:
        answer = {"value": ask(json.loads(line))}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer, default=str), flush=True)
"""


class ClientError(Exception):
    """What the other process failed with: the class of its error and the text."""


class Client:
    """A process that joins the server of `directory` with its first statement.

    It is started as `user`, or becomes `uid` when it is up (and can then start no other program,
    where the interpreter belongs to root alone).
    """

    def __init__(
        self, directory: Path, *, user: str | None = None, uid: int = 0, **options: str
    ) -> None:
        account = pwd.getpwnam(user) if user else None
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-c", PROGRAM, str(directory)),
                *(json.dumps(THROWAWAY | options), str(uid)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            user=account and account.pw_uid,
            group=account and account.pw_gid,
            extra_groups=[] if account else None,
        )

    def send(self, statement: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(statement) + "\n")
        self.process.stdin.flush()

    def receive(self) -> Any:
        assert self.process.stdout
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise ClientError(answer["error"])
        return answer["value"]

    def ask(self, statement: str) -> Any:
        """The first value of the first row. Raises ClientError."""
        self.send(statement)
        return self.receive()

    def server(self) -> str:
        """Tells one start of the server from the next."""
        started: str = self.ask("SELECT pg_postmaster_start_time()")
        return started

    def end(self) -> None:
        self._close(signal.SIGTERM)

    def kill(self) -> None:
        self._close(signal.SIGKILL)

    def _close(self, number: signal.Signals) -> None:
        self.process.send_signal(number)
        with self.process:  # Closes its pipes and waits.
            pass


@contextmanager
def client(directory: Path, **arguments: Any) -> Iterator[Client]:
    opened = Client(directory, **arguments)
    try:
        yield opened
    finally:
        opened.kill()


@contextmanager
def joined(directory: Path, **options: str) -> Iterator[Callable[[str], Any]]:
    """The test's own process as a client: yields a function like `Client.ask`."""

    def ask(statement: str) -> Any:
        address = server.ensure_running(directory, database="tally", options=THROWAWAY | options)
        with psycopg.connect(
            host=address.host, port=address.port, user=address.user, dbname="tally"
        ) as connection:
            result = connection.execute(statement)
            row = result.fetchone() if result.description else None
            return row and row[0]

    try:
        yield ask
    finally:
        server.leave(directory)


def postmaster(directory: Path) -> int:
    """The server's process, wherever its data lie."""
    data = data_of(directory) / "postmaster.pid"
    return int(data.read_text().split("\n")[0])


def data_of(directory: Path) -> Path:
    location = directory / "location"
    return Path(location.read_text().strip() if location.exists() else directory) / "data"


def supervisors(directory: Path) -> list[int]:
    end = f"config.standalone.postgres.supervisor {directory.resolve()}"
    return [pid for pid, title in titles() if f"{end} " in f"{title} "]


def has_stopped(directory: Path) -> bool:
    """Whether neither a supervisor nor a server is left, after waiting for that."""
    return wait_until(
        lambda: (
            not (
                supervisors(directory)
                or ServerFiles(directory).is_supervised()
                or (data_of(directory) / "postmaster.pid").exists()
            )
        ),
        seconds=PATIENCE,
    )


def ordinary_user() -> str | None:
    """Somebody who is not root: under root an account that reaches this checkout, if one does."""
    if os.geteuid() != 0:
        return None
    daemon = pwd.getpwnam("daemon")
    command = [sys.executable, "-c", "import config.standalone.postgres.server"]
    try:
        subprocess.check_call(
            command, cwd=ROOT, user=daemon.pw_uid, group=daemon.pw_gid, extra_groups=[]
        )
    except (PermissionError, subprocess.CalledProcessError):
        return None
    return "daemon"
