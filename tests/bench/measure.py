"""How things are timed: in turn, several rounds, medians and ratios pair by pair."""

import threading
import time
from collections.abc import Callable, Mapping
from statistics import median

from django.db import connections

ROUNDS = 5
SECONDS = 1.5  # of each measurement in a round


def rate(work: Callable[[int], None], *, threads: int = 1, seconds: float = SECONDS) -> float:
    """Calls of `work(thread number)` per second, from so many threads."""
    counts = [0] * threads
    start = threading.Barrier(threads + 1)
    stop = threading.Event()

    def run(number: int) -> None:
        work(number)  # Connects, and warms what there is to warm.
        start.wait()
        while not stop.is_set():
            work(number)
            counts[number] += 1
        connections.close_all()

    workers = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    start.wait()
    began = time.perf_counter()
    time.sleep(seconds)
    stop.set()
    taken = time.perf_counter() - began
    for worker in workers:
        worker.join()
    return sum(counts) / taken


def in_turn(contestants: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Each contestant's figure per round; they take turns, so that a slow minute hits all alike."""
    figures: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, measure in contestants.items():
            figures[name].append(measure())
    return figures


def ratio(figures: Mapping[str, list[float]], name: str, floor: str) -> float:
    """The median of the pairwise ratios."""
    return median(a / b for a, b in zip(figures[name], figures[floor], strict=True))


def row(what: str, value: float, target: str = "", note: str = "") -> None:
    print(f"| {what} | {value:.2f} | {target} | {note} |", flush=True)
