"""Commands that run together end together, whoever or whatever ends them; later, one that ends by
itself is started again."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from config.standalone.postgres.process_table import is_running, wait_until
from tests.processes import ROOT, children_of
from tests.waiting import PATIENCE

# One of the two ends by force only, and so does its child.
PROGRAM = """
import sys, threading
from config.standalone import command_runner

command_runner.STOP_SECONDS = 0.2
command_runner.PAUSE_SECONDS = 0.1
ready = threading.Event()
if sys.argv[1] == "ready":
    ready.set()
deaf = ["sh", "-c", "trap '' TERM; sleep 100; true"]
sys.exit(command_runner.run_commands({"deaf": deaf, "plain": ["sleep", "100"]}, ready=ready))
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
    assert process.stdout
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
    with running("starting") as process:
        assert wait_until(lambda: len(started_by(process)) == 3, seconds=PATIENCE)
        everything = started_by(process)
        assert end(process) == process.wait(20)
        assert wait_until(lambda: not any(map(is_running, everything)), seconds=PATIENCE)


@pytest.mark.parametrize("part", [min, max])
def test_a_part_that_ends_once_all_are_ready_is_started_again(
    part: Callable[[list[int]], int],
) -> None:
    with running("ready") as process:
        assert wait_until(lambda: len(started_by(process)) == 3, seconds=PATIENCE)
        before = started_by(process)
        leader = part(children_of(process.pid))
        ended = {leader, *children_of(leader)}
        os.kill(leader, signal.SIGKILL)
        assert wait_until(lambda: len(started_by(process) - ended) == 3, seconds=PATIENCE)
        assert started_by(process) >= before - ended, "the others went on"
        assert not any(map(is_running, ended))
        everything = started_by(process)
        assert interrupt(process) == process.wait(20)
        assert not any(map(is_running, everything))


def running(state: str) -> Running:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, state],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def started_by(process: Running) -> set[int]:
    """Its two parts, and the child of one."""
    parts = children_of(process.pid)
    return {*parts, *(pid for part in parts for pid in children_of(part))}
