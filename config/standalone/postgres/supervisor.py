"""The one process that starts the server, restarts it when it dies, and stops it in the end.

    python -m config.standalone.postgres.supervisor DIRECTORY [SETTING=VALUE ...]

It leaves the terminal's session, so that Ctrl-C reaches the clients and not the database. The
command returns when the server is ready, or with the reason why not."""

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue

from .cluster import Cluster
from .layout import choose_layout
from .server_files import FileLock, ServerFiles, SetupError, StartError

# Exit codes of the command.
READY, FAILED, NEEDS_SETUP = 0, 1, 78
POLL_SECONDS = 0.2
RETRY_SECONDS = 2.0
LOG_BYTES = 10_000_000

Report = Callable[[int, str], None]


class Supervisor:
    """Watches one cluster until no client is left. Lives in the detached process."""

    def __init__(self, files: ServerFiles, lock: FileLock, options: dict[str, str]) -> None:
        self._files, self._lock, self._options = files, lock, options
        self._signals: SimpleQueue[int] = SimpleQueue()

    def run(self, report: Report) -> None:
        """Calls `report` once, with how the start went."""
        for each in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(each, lambda number, _: self._signals.put(number))
        try:
            cluster = self._start()
        except (SetupError, StartError, OSError) as error:
            report(NEEDS_SETUP if isinstance(error, SetupError) else FAILED, str(error))
            return
        self._files.write_address(cluster.address)
        report(READY, "")
        self._watch(cluster)
        # Newcomers wait for the locks, which end with this process.
        if self._lock.is_current():
            self._files.remove_address()
            cluster.stop()
        else:
            cluster.stop(signal.SIGQUIT)

    def _start(self) -> Cluster:
        layout = choose_layout(self._files)
        # A copied checkout may name the same place: one cluster has one supervisor.
        self._cluster_lock = FileLock(layout.data.with_name("cluster.lock"))
        if not self._cluster_lock.try_exclusive():
            raise SetupError(
                f"{layout.data} is in use by another checkout. Delete {self._files.location} "
                "to give this one a database of its own."
            )
        cluster = Cluster(layout, self._files.log, self._options)
        cluster.start()
        return cluster

    def _watch(self, cluster: Cluster) -> None:
        """Returns when no client is left, on a signal to stop, or when our directory or the data
        were removed."""
        self._clients = FileLock(self._files.clients)  # Kept: newcomers wait for it.
        retry_at = 0.0
        while self._lock.is_current() and not self._clients.try_exclusive():
            if not cluster.is_alive() and time.monotonic() > retry_at:
                if not cluster.data.exists():
                    return
                if not self._restart(cluster):
                    retry_at = time.monotonic() + RETRY_SECONDS
            with suppress(Empty):
                if self._signals.get(timeout=POLL_SECONDS) != signal.SIGCHLD:
                    return

    def _restart(self, cluster: Cluster) -> bool:
        self._files.remove_address()
        _log("the server ended unexpectedly, starting it again")
        try:
            cluster.start()
        except (SetupError, StartError, OSError) as error:
            _log(str(error))
            return False
        self._files.write_address(cluster.address)
        return True


def _log(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} supervisor: {text}\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> int:
    """Starts the server unless somebody else does. Returns one of the exit codes above."""
    files = ServerFiles(Path(arguments[0]).resolve())
    options = dict(argument.split("=", 1) for argument in arguments[1:])
    lock = FileLock(files.supervisor)
    while not lock.try_exclusive():
        if files.read_address():
            return READY
        time.sleep(0.05)
    files.remove_address()  # A killed supervisor left it.
    return _detach(files, lambda report: Supervisor(files, lock, options).run(report))


def _detach(files: ServerFiles, run: Callable[[Report], None]) -> int:
    """Calls `run` in a process of its own; prints and returns what that process reports."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.close(reader)
        _leave_terminal(files.log)

        def report(code: int, text: str) -> None:
            with open(writer, "w", encoding="utf-8") as answer:
                answer.write(f"{code} {text}")

        run(report)
        return READY
    os.close(writer)
    with open(reader, encoding="utf-8") as answer:
        code, _, text = answer.read().partition(" ")
    sys.stdout.write(text if code else f"The supervisor ended at once, see {files.log}.")
    return int(code or FAILED)


def _leave_terminal(log: Path) -> None:
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    os.setsid()
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
