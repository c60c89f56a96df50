"""`make run`, for real: what it prints, and that nothing it started outlives it."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from config.standalone import run
from config.standalone.postgres.process_table import is_running, wait_until
from tests.config.standalone.postgres.clients import data_of, has_stopped
from tests.processes import ROOT, children_of, free_port
from tests.waiting import PATIENCE

Started = subprocess.Popen[str]
# As somebody has it who copied .env.example: a name without a value is a name left out.
COPIED = {"SECRET_KEY": "", "DEBUG": "0", "ALLOWED_HOSTS": "", "DATABASE_URL": ""}


@pytest.fixture
def var() -> Iterator[Path]:
    parent = Path(tempfile.mkdtemp(prefix="tally-test-"))
    parent.chmod(0o711)  # The account that PostgreSQL runs as passes through.
    yield parent / "var"
    shutil.rmtree(data_of(parent / "var" / "postgres").parent, ignore_errors=True)
    shutil.rmtree(parent)


@contextmanager
def start(var: Path, **environment: str) -> Iterator[Started]:
    """`config.standalone.run` with nothing in its environment but what is given.
    Killed if it is left over."""
    ports = {"PORT": str(free_port()), "LOCAL_PROVIDER_PORT": str(free_port())}
    process = subprocess.Popen(
        [sys.executable, "-m", "config.standalone.run"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "VAR_DIR": str(var)}
        | {"WEB_WORKERS": "1", "WEB_THREADS": "2", "LOCAL_DISCOVERY": "0"}
        | ports
        | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        for pid in [process.pid, *children_of(process.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        process.wait()
        assert process.stdout
        process.stdout.close()


def until_ready(process: Started) -> list[str]:
    """The lines that say how to sign in; all that was printed is in the way of a failure."""
    lines = []
    assert process.stdout
    for line in process.stdout:
        lines.append(line)
        if line == "Ctrl-C stops it.\n":
            return [line for line in lines if line.startswith("sign in as ")]
    raise AssertionError("It ended: " + "".join(lines))


def test_two_at_once_start_in_one_checkout_and_each_stops_what_it_started(var: Path) -> None:
    with ExitStack() as stack:
        port = free_port()
        first = stack.enter_context(start(var, **COPIED, PORT=str(port)))
        elsewhere = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
        second = stack.enter_context(start(var, **COPIED, **elsewhere))
        accounts = until_ready(first)
        assert [line.split()[3] for line in accounts] == [
            "ada@example.com",
            "low@example.com",
            "admin@example.com",
        ]
        assert until_ready(second) == accounts
        assert answers_beside_idle_connections(port)
        assert stops(first, signal.SIGINT, parts=3) == 128 + signal.SIGINT
        assert stops(second, signal.SIGTERM, parts=2) == 128 + signal.SIGTERM
    assert has_stopped(var / "postgres")


def answers_beside_idle_connections(port: int) -> bool:
    """More than there are threads; they are kept open while one more is served."""
    with ExitStack() as stack:
        for _ in range(6):
            address = ("127.0.0.1", port)
            idle = stack.enter_context(socket.create_connection(address, timeout=PATIENCE))
            idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert idle.recv(100).startswith(b"HTTP/1.1 200")
    return True


def stops(process: Started, number: signal.Signals, *, parts: int) -> int:
    """Its exit code, once nothing that it had started runs any more: the worker, the web server
    and, where no other is configured, the local provider."""
    started = children_of(process.pid)
    assert len(started) == parts
    everything = {*started, *(pid for part in started for pid in children_of(part))}
    process.send_signal(number)
    code = process.wait(30)
    assert wait_until(lambda: not any(map(is_running, everything)), seconds=PATIENCE)
    return code


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"PORT": "abc"}, "PORT must be a whole number from 1 to 65535, not 'abc'."),
        ({"DATABASE_URL": "mysql://x"}, "DATABASE_URL must look like postgresql://"),
    ],
)
def test_a_wrong_value_stops_the_start_with_a_sentence(
    var: Path, environment: dict[str, str], sentence: str
) -> None:
    with start(var, **environment) as site:
        assert site.stdout
        said = site.stdout.read()
        assert said.startswith(f"Tally cannot start: {sentence}"), said
        assert site.wait() == 1


@pytest.mark.parametrize(
    ("local_provider", "discovery", "looks"),
    [(True, True, True), (True, False, False), (False, True, False)],
)
def test_models_of_this_machine_are_looked_for_where_no_provider_is_configured(
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    local_provider: bool,
    discovery: bool,
    looks: bool,
) -> None:
    commands: list[str] = []
    settings.LOCAL_PROVIDER, settings.LOCAL_DISCOVERY = local_provider, discovery
    monkeypatch.setattr(run, "call_command", lambda name, **_: commands.append(name))
    monkeypatch.setattr(run, "migrate", lambda: commands.append("migrate"))
    run.prepare()
    assert ("discover_models" in commands) is looks
    assert commands[0] == "migrate"


def test_a_command_without_settings_says_what_is_missing() -> None:
    answer = subprocess.run(
        [sys.executable, "manage.py", "migrate"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.stderr == (
        "Tally cannot start: SECRET_KEY must be set: it signs sessions, and DEBUG is off.\n"
    )


@pytest.mark.parametrize("left", ["", "\n"])
def test_a_start_that_was_killed_leaves_no_empty_secret(
    left: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    (tmp_path / "secret_key").write_text(left)
    (tmp_path / "secret_key.new").write_text("half")
    secret = run.kept_secret()
    assert len(secret) >= 48
    assert run.kept_secret() == secret
    assert (tmp_path / "secret_key").stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["secret_key"]
