"""How things are timed: in turn, several rounds, medians and ratios pair by pair."""

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from statistics import median, quantiles

from django.db import connections

from tests.waiting import PATIENCE

#: Makes what the thread of that number calls again and again.
type Prepare = Callable[[int], Callable[[], object]]
type Figures = Mapping[str, list[float]]

ROUNDS = 5
SECONDS = 1.5  # of each measurement in a round


def rate(prepare: Prepare, *, threads: int = 1, seconds: float = SECONDS) -> float:
    """Calls per second within so many seconds: for calls that are short beside them."""
    stop = threading.Event()

    def work(call: Callable[[], object]) -> int:
        count = 0
        while not stop.is_set():
            call()
            count += 1
        return count

    timer = threading.Timer(seconds, stop.set)
    return _timed(prepare, threads, work, timer.start)


def rate_of_calls(prepare: Prepare, *, threads: int, calls: int) -> float:
    """Calls per second of so many calls in all: for calls that take long."""
    turns = iter(range(calls))

    def work(call: Callable[[], object]) -> int:
        count = 0
        for _ in turns:
            call()
            count += 1
        return count

    return _timed(prepare, threads, work, lambda: None)


def _timed(
    prepare: Prepare, threads: int, work: Callable[[Callable[[], object]], int],
    begin: Callable[[], None],
) -> float:  # fmt: skip
    start = threading.Barrier(threads + 1, timeout=PATIENCE)

    def run(number: int) -> int:
        try:
            call = prepare(number)
            call()  # Connects, and fills caches.
            start.wait()
            return work(call)
        except Exception:
            start.abort()
            raise
        finally:
            connections.close_all()

    with ThreadPoolExecutor(threads) as pool:
        counts = [pool.submit(run, number) for number in range(threads)]
        # When a thread has failed before, its own error comes first.
        with suppress(threading.BrokenBarrierError):
            start.wait()
        begin()
        began = time.perf_counter()
        wait(counts)
        taken = time.perf_counter() - began
    errors = [error for count in counts if (error := count.exception())]
    errors.sort(key=lambda error: isinstance(error, threading.BrokenBarrierError))
    if errors:
        raise errors[0]
    return sum(count.result() for count in counts) / taken


def in_turn(
    contestants: Mapping[str, Callable[[], float]], *, rounds: int = ROUNDS
) -> dict[str, list[float]]:
    """Each contestant's figure per round; they take turns, so that a slow minute hits all alike."""
    figures: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, measure in contestants.items():
            figures[name].append(measure())
    return figures


def ratio(figures: Figures, name: str, floor: str) -> float:
    """The median of the pairwise ratios."""
    return median(a / b for a, b in zip(figures[name], figures[floor], strict=True))


def p99(values: Iterable[float]) -> float:
    return quantiles(values, n=100, method="inclusive")[98]


def cpu_seconds(pids: Iterable[int]) -> float:
    """Seconds of processor time that these processes have used; none of one that has ended."""
    ticks = 0
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_mib(pids: Iterable[int]) -> float:
    """Resident memory of these processes, in MiB."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def row(what: str, value: float | None, target: str = "", note: str = "") -> None:
    """A row of the table; without a value, the note says why."""
    figure = "–" if value is None else f"{value:.2f}"
    print(f"| {what} | {figure} | {target} | {note} |", flush=True)
