"""Real parallelism for tests: threads, each with its own connection, that start together."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from random import Random
from threading import Barrier, BrokenBarrierError, Event
from typing import Any, overload

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from tests.waiting import PATIENCE, wait_for


@contextmanager
def own_connection() -> Iterator[BaseDatabaseWrapper]:
    """Gives this thread a connection outside the pool, so that the pool bounds nothing here. A
    wait for a lock without end becomes an error, so that the test fails."""
    pooled = connections["default"]
    own = pooled.copy()
    own.settings_dict["OPTIONS"].pop("pool", None)
    own.settings_dict["OPTIONS"]["options"] = f"-c lock_timeout={PATIENCE:.0f}s"
    own.inc_thread_sharing()
    connections["default"] = own
    try:
        yield own
    finally:
        own.close()
        connections["default"] = pooled


@overload
def in_parallel[T](times: int, function: Callable[[int], T]) -> list[T]: ...


@overload
def in_parallel[T](
    times: int, function: Callable[[int], T], *, catch: type[Exception]
) -> list[T | Exception]: ...


def in_parallel[T](
    times: int, function: Callable[[int], T], *, catch: type[Exception] | tuple[()] = ()
) -> list[T] | list[T | Exception]:
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
    # A thread that could not connect breaks the barrier for all: its error says why.
    errors = [error for future in futures if (error := future.exception())]
    for error in errors:
        if not isinstance(error, BrokenBarrierError):
            raise error
    return [future.result() for future in futures]


def _meet(connection: BaseDatabaseWrapper, start: Barrier) -> None:
    try:
        connection.ensure_connection()
    except Exception:
        start.abort()  # The others must not wait for this thread.
        raise
    start.wait(PATIENCE)


def count_of(answers: Sequence[object], kind: type) -> int:
    """How many of the answers are of this type."""
    return sum(isinstance(answer, kind) for answer in answers)


def backend_pid() -> int:
    """The server process behind this thread's connection."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def kill_backends(victims: dict[int, int], ended: Event) -> int:
    """Ends backends of those who work, whatever they are doing, until `ended`; at most 60, so that
    they get on. How many it were."""
    random, killed = Random(7), 0
    while killed < 60 and not ended.wait(random.uniform(0, 0.02)):
        if pids := list(victims.values()):
            with connections["default"].cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(%s)", [random.choice(pids)])
            killed += 1
    return killed


def wait_until_blocked(by: int) -> None:
    """Returns once some other backend waits for a lock that backend `by` holds."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND %s = ANY (pg_blocking_pids(pid))"

    def is_blocked() -> bool:
        with connections["default"].cursor() as cursor:
            cursor.execute(waiting, [by])
            return bool(cursor.fetchone()[0])

    wait_for(is_blocked, f"another backend to wait for backend {by}", pause=0.01)


def in_background[T](function: Callable[[], T]) -> Future[T]:
    """Starts the function in a thread with a connection of its own; `result()` waits for it."""

    def run() -> T:
        with own_connection():
            return function()

    thread = ThreadPoolExecutor(1)
    future = thread.submit(run)
    thread.shutdown(wait=False)
    return future


def run_async[T](coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs the coroutine in a thread of its own. In the thread of the tests `asyncio.run` fails
    once a test of the same process has used Playwright, whose event loop stays there."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()  # noqa: TID251
