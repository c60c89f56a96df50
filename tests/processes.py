"""Processes that tests start, look at and end. Nothing here needs Django."""

import contextlib
import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).parent.parent


class Process(Protocol):
    """As `subprocess.Popen`."""

    pid: int

    def send_signal(self, number: int, /) -> None: ...
    def wait(self, timeout: float | None = None) -> int: ...


def stop(process: Process) -> None:
    """Ends a process that leads its own group, and whoever is left in that group."""
    process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(15)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def children_of(parent: int) -> list[int]:
    """The process ids of a process's living children, from /proc or, without it, from `ps`."""
    table = _from_proc() if Path("/proc/self/stat").exists() else _from_ps()
    return sorted(pid for pid, ppid, state in table if ppid == parent and state != "Z")


def _from_proc() -> list[tuple[int, int, str]]:
    rows = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # It has ended since.
            # The name, in brackets, may hold blanks and brackets of its own.
            state, ppid = stat.read_text().rpartition(")")[2].split()[:2]
            rows.append((int(stat.parent.name), int(ppid), state))
    return rows


def _from_ps() -> list[tuple[int, int, str]]:
    command = ["ps", "-A", "-o", "pid=,ppid=,stat="]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows = [line.split() for line in answer.splitlines()]
    return [(int(pid), int(ppid), state[0]) for pid, ppid, state in rows]
