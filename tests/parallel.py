"""Real parallelism for tests: threads, each with its own connection, that start together."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier, BrokenBarrierError

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper


@contextmanager
def own_connection() -> Iterator[BaseDatabaseWrapper]:
    """Gives this thread a connection outside the pool, so that the pool bounds nothing here. Who
    waits for a lock without end gets an error, so that the test fails."""
    pooled = connections["default"]
    own = pooled.copy()
    own.settings_dict["OPTIONS"].pop("pool", None)
    own.settings_dict["OPTIONS"]["options"] = "-c lock_timeout=120s"
    own.inc_thread_sharing()
    connections["default"] = own
    try:
        yield own
    finally:
        own.close()
        connections["default"] = pooled


def in_parallel[T](
    times: int, function: Callable[[int], T], *, catch: type[Exception] | tuple[()] = ()
) -> list[T | Exception]:
    """Calls `function(0)` to `function(times - 1)` at once, each in a thread with a connection of
    its own. Answers come in that order; exceptions of type `catch` are answers, others are
    raised."""
    start = Barrier(times)

    def run(number: int) -> T | Exception:
        with own_connection() as connection:
            _meet(connection, start)
            try:
                return function(number)
            except catch as error:
                return error

    with ThreadPoolExecutor(times) as threads:
        futures = [threads.submit(run, number) for number in range(times)]
    # Who could not come breaks the barrier for all: that error says why, the others only that.
    errors = [error for future in futures if (error := future.exception())]
    for error in errors:
        if not isinstance(error, BrokenBarrierError):
            raise error
    return [future.result() for future in futures]


def _meet(connection: BaseDatabaseWrapper, start: Barrier) -> None:
    try:
        connection.ensure_connection()
    except Exception:
        start.abort()  # Nobody waits for a thread that will not come.
        raise
    start.wait(60)


def count_of[T](answers: list[T | Exception], kind: type) -> int:
    """How many of the answers are of this type."""
    return sum(isinstance(answer, kind) for answer in answers)


def backend_pid() -> int:
    """The server process behind this thread's connection."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def wait_until_blocked(by: int) -> None:
    """Returns once some other backend waits for a lock that backend `by` holds."""
    for _ in range(6000):
        with connections["default"].cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks"
                " WHERE NOT granted AND %s = ANY (pg_blocking_pids(pid))",
                [by],
            )
            if cursor.fetchone()[0]:
                return
        time.sleep(0.01)
    raise AssertionError(f"Nobody came to wait for backend {by}.")


def in_background[T](function: Callable[[], T]) -> Future[T]:
    """Starts the function in a thread with a connection of its own; `result()` waits for it."""

    def run() -> T:
        with own_connection():
            return function()

    thread = ThreadPoolExecutor(1)
    future = thread.submit(run)
    thread.shutdown(wait=False)
    return future


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Returns once it is so. Patient, because the machine may be busy with other tests."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"Waited {seconds} s in vain for {what}."
        time.sleep(0.02)
