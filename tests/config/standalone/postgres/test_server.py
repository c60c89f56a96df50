"""The embedded PostgreSQL, with real processes: who starts it, who keeps it up, when it stops, and
Django on it."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from config.standalone.postgres import server
from config.standalone.postgres.process_table import is_running, wait_until
from config.standalone.postgres.server_files import FileLock, ServerFiles
from tests.config.standalone.postgres.clients import (
    client,
    has_stopped,
    joined,
    postmaster,
    supervisors,
)
from tests.config.standalone.postgres.conftest import remove
from tests.processes import ROOT
from tests.waiting import PATIENCE


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
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
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
    output = subprocess.check_output(command, text=True, cwd=ROOT).split("\n")
    assert output[:4] == ["tally", "tally", "test_tally", "from tally"]
