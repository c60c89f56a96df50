"""Commands that run together end together, whoever or whatever ends them."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from config.embedded_postgres.processes import is_running, wait_until
from tests.config.clients import PROJECT
from tests.processes import children_of

# One of the two ends by force only, and so does its child.
PROGRAM = """
import sys
from config import together

together.STOP_SECONDS = 0.2
deaf = ["sh", "-c", "trap '' TERM; sleep 100; true"]
sys.exit(together.run_together({"deaf": deaf, "plain": ["sleep", "100"]}))
"""
Running = subprocess.Popen[str]


def interrupt(process: Running) -> int:
    process.send_signal(signal.SIGINT)
    return 128 + signal.SIGINT


def close_the_terminal(process: Running) -> int:
    os.killpg(process.pid, signal.SIGHUP)
    return 128 + signal.SIGHUP


def terminate_with_nobody_reading(process: Running) -> int:
    """As by `| head`, or a `tee` that Ctrl-C reached first."""
    process.stdout.close()
    process.terminate()
    return 128 + signal.SIGTERM


def kill_a_part(process: Running) -> int:
    os.kill(max(children_of(process.pid)), signal.SIGKILL)
    return 128 + signal.SIGKILL


@pytest.mark.parametrize(
    "end", [interrupt, close_the_terminal, terminate_with_nobody_reading, kill_a_part]
)
def test_all_parts_and_their_children_end(end: Callable[[Running], int]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        assert wait_until(lambda: len(started_by(process)) == 3, seconds=20)
        everything = started_by(process)
        assert end(process) == process.wait(20)
        assert wait_until(lambda: not any(map(is_running, everything)), seconds=10)


def test_a_part_that_may_end_is_started_again() -> None:
    program = (
        "import sys; from config import together; together.AGAIN_SECONDS = 0\n"
        "again = ['sh', '-c', 'echo here; exit 3']\n"
        "parts = {'again': again, 'plain': ['sleep', '100']}\n"
        "sys.exit(together.run_together(parts, again={'again'}))"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        lines = iter(process.stdout)
        assert [next(line for line in lines if "here" in line) for _ in range(3)]
        process.terminate()
        rest = list(lines)
        assert process.wait(20) == 128 + signal.SIGTERM
    assert rest[-1].endswith("SIGTERM (143): stopping all\n")


def started_by(process: Running) -> set[int]:
    """Its two parts, and the child of one."""
    parts = children_of(process.pid)
    return {*parts, *(pid for part in parts for pid in children_of(part))}
