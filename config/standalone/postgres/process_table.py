"""Looking at processes that need not be our children, the same on Linux and macOS."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PROC = Path("/proc")
HAS_PROC = Path("/proc/self/cmdline").exists()


def is_running(pid: int) -> bool:
    """Whether the process exists and is not merely waiting to be reaped."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    # A container's first process may never reap orphans; a dead one has no command line.
    return not HAS_PROC or bool(_command_line(PROC / str(pid)))


def titles() -> Iterator[tuple[int, str]]:
    """Every process with its command line, which PostgreSQL rewrites to say what it does."""
    if HAS_PROC:
        for folder in PROC.glob("[0-9]*"):
            yield int(folder.name), _command_line(folder)
        return
    command = ["ps", "-axww", "-o", "pid=,command="]
    for line in subprocess.check_output(command, text=True).splitlines():
        pid, _, title = line.strip().partition(" ")
        yield int(pid), title


def _command_line(folder: Path) -> str:
    try:
        return os.fsdecode((folder / "cmdline").read_bytes()).replace("\0", " ").strip()
    except OSError:  # It ended while we looked.
        return ""


def wait_until(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Whether the condition came true in time; looks every 20 ms."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
