"""The embedded PostgreSQL after its server or its supervisor was killed."""

import os
import signal
import subprocess
from pathlib import Path

from config.standalone.postgres.process_table import wait_until
from config.standalone.postgres.server_files import ServerFiles
from tests.config.standalone.postgres.clients import (
    Client,
    ClientError,
    client,
    data_of,
    has_stopped,
    joined,
    postmaster,
    supervisors,
)
from tests.config.standalone.postgres.conftest import AS_ROOT
from tests.waiting import PATIENCE, wait_for


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
    answers: list[object] = []

    def is_answered() -> bool:
        try:
            answers.append(user.ask(statement))
        except ClientError as error:
            if "OperationalError" not in str(error):
                raise
        return bool(answers)

    wait_for(is_answered, "the server to come back", pause=0.05)
    return answers[0]


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
