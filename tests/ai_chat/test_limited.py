"""What a library does in a limited process ends at most that process, and the next request has
another."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pytest_django import Settings

from ai_chat.attachments import reader
from ai_chat.attachments.errors import InvalidAttachment
from ai_chat.limited.process import LimitedProcess
from config.errors import Busy

PROGRAM = """
import os, socket, time

def answer(request):
    match request:
        case "busy":
            while True:
                pass
        case "asleep":
            time.sleep(600)
        case "greedy":
            return len(bytearray(600_000_000))
        case "crash":
            os.abort()
        case "chatty":
            print("noise")
            os.write(1, b"more noise")
        case "environment":
            return sorted(os.environ)
        case ["connect", port]:
            try:
                socket.create_connection(("127.0.0.1", port), 5).close()
            except OSError:
                return "refused"
            return "connected"
        case "wrong":
            raise ValueError
    return [request, os.getpid()]
"""


@contextmanager
def running(tmp_path: Path) -> Iterator[LimitedProcess]:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    process = LimitedProcess(program, seconds=0.3, memory_bytes=500_000_000)
    try:
        yield process
    finally:
        process.close()


def pid_of(process: LimitedProcess) -> int:
    answer = process.ask("who")
    assert answer
    pid: int = answer[0][1]
    return pid


@pytest.mark.parametrize("request_", ["busy", "greedy", "crash", "wrong"])
def test_what_takes_too_much_ends_its_process_alone(tmp_path: Path, request_: str) -> None:
    with running(tmp_path) as process:
        first = pid_of(process)
        assert process.ask(request_) is None
        with pytest.raises(ProcessLookupError):
            os.kill(first, 0)
        assert pid_of(process) != first


def test_what_waits_without_end_is_killed(tmp_path: Path) -> None:
    with running(tmp_path) as process:
        first = pid_of(process)
        assert process.ask("asleep", within=0.5) is None
        with pytest.raises(ProcessLookupError):
            os.kill(first, 0)


def test_what_a_library_prints_is_no_answer(tmp_path: Path) -> None:
    with running(tmp_path) as process:
        answer = process.ask("chatty")
        assert answer
        assert answer[0][0] == "chatty"
        assert answer[0][1] == pid_of(process)


def test_the_secrets_of_the_site_stay_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    with running(tmp_path) as process:
        answer = process.ask("environment")
    assert answer
    assert not [name for name in answer[0] if "KEY" in name or "DATABASE" in name]


def test_a_file_that_takes_too_long_is_refused_and_its_process_is_gone(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import os, pathlib\n"
        "def answer(request):\n"
        "    pathlib.Path(request['target']).write_text(str(os.getpid()))\n"
        "    while True: pass\n"
    )
    monkeypatch.setattr(reader, "PROGRAM", program)
    settings.ATTACHMENT_SECONDS = 1
    with pytest.raises(InvalidAttachment, match="too long"):
        reader.read(tmp_path / "source", tmp_path / "target")
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "target").read_text()), signal.SIGTERM)


def test_only_so_many_files_are_read_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "WAIT_SECONDS", 0.1)
    (tmp_path / "source").write_text("text")
    for _ in range(reader.TOGETHER):
        reader._room.acquire()
    try:
        with pytest.raises(Busy):
            reader.read(tmp_path / "source", tmp_path / "target")
    finally:
        for _ in range(reader.TOGETHER):
            reader._room.release()
    assert reader.read(tmp_path / "source", tmp_path / "target")["text"] == "text"


def test_there_is_no_network(tmp_path: Path) -> None:
    own = "import os; os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNET)"
    # Some containers let nobody have a network of their own.
    tried = subprocess.run([sys.executable, "-c", own], check=False, stderr=subprocess.DEVNULL)
    with socket.create_server(("127.0.0.1", 0)) as server, running(tmp_path) as process:
        answer = process.ask(["connect", server.getsockname()[1]])
    assert answer
    assert answer[0] == ("connected" if tried.returncode else "refused")
