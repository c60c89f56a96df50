"""Commands that run together until a signal asks to stop. One that ends by itself is started again,
as the worker after its database was away, or the web server after one of its workers died twice."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from queue import SimpleQueue

STOP_SECONDS = 5.0
PAUSE_SECONDS = 1.0

Endings = SimpleQueue[tuple[str, int]]


def say(line: str) -> None:
    """Prints the line. Once nobody reads (a closed terminal, `| head`), output goes to the null
    device, so that a failing print does not keep us from stopping what we started."""
    try:
        print(line, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def run_commands(commands: Mapping[str, list[str]], *, ready: threading.Event) -> int:
    """Runs the commands, each leading a process group of its own, and prints their output. When one
    ends before they are `ready`, its reason would stay (a wrong setting): all are stopped. Returns
    an exit code once all have ended: 128 and the signal that asked for it, or what the first to
    end before they were ready returned, never 0: none should end by itself."""
    endings: Endings = SimpleQueue()
    _listen(endings)
    children = {name: _start(name, command, endings) for name, command in commands.items()}
    while True:
        who, code = endings.get()
        if who not in commands or not ready.is_set():
            break
        _log("system", f"{who} ended ({code}): starting it again")
        _stop([children[who]])
        time.sleep(PAUSE_SECONDS)
        children[who] = _start(who, commands[who], endings)
    what = f"{who} ended" if who in commands else who
    _log("system", f"{what} ({code}): stopping all")
    _stop(children.values())
    return code


def _listen(endings: Endings) -> None:
    """A signal that comes while the commands are started waits until all are."""

    def put(number: int, _frame: object) -> None:
        endings.put((signal.Signals(number).name, 128 + number))

    signal.signal(signal.SIGINT, put)
    signal.signal(signal.SIGTERM, put)
    # A closed terminal stops us too, unless `nohup` said otherwise.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, put)


def _start(name: str, command: list[str], endings: Endings) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    _log("system", f"{name} started (pid {child.pid})")

    def print_output() -> None:
        for line in child.stdout or ():
            _log(name, line.rstrip("\n"))

    def put_ending() -> None:
        code = child.wait()
        endings.put((name, 128 - code if code < 0 else code or 1))

    threading.Thread(target=print_output, daemon=True).start()
    threading.Thread(target=put_ending, daemon=True).start()
    return child


def _stop(children: Collection[subprocess.Popen[str]]) -> None:
    """Asks every process of every group to end, and kills what has not after STOP_SECONDS. Groups
    get the signals, not leaders: workers may outlive who started them."""
    _signal(children, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    for child in children:
        with suppress(subprocess.TimeoutExpired):
            child.wait(max(deadline - time.monotonic(), 0))
    _signal(children, signal.SIGKILL)
    for child in children:
        child.wait()


def _signal(children: Collection[subprocess.Popen[str]], number: signal.Signals) -> None:
    for child in children:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, number)


def _log(name: str, text: str) -> None:
    say(f"{time.strftime('%H:%M:%S')} {name:<8} | {text}")
