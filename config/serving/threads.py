"""The threads in which Django answers."""

import asyncio
import threading
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue

from config.errors import Busy

#: Seconds for which a request waits for a thread; waiting requests for each thread.
WAIT_SECONDS = 10
WAITING = 4
#: One client address takes at most this fraction (1/4) of the places.
ADDRESS_SHARE = 4


class Threads:
    """A pool of `size` daemon threads, started when they are needed. A request that finds none free
    waits in the event loop, where alone `acquire` and `run` are called."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._free = size
        self._started = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._by_address: Counter[str] = Counter()
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()

    async def acquire(self, address: str) -> None:
        """Keeps a thread for `run`. Raises Busy when none is free for WAIT_SECONDS, or too many
        wait: for this address, or in all."""
        if self._free > 0:
            self._free -= 1
            return
        places = WAITING * self._size
        if len(self._waiting) >= places or self._by_address[address] >= places // ADDRESS_SHARE:
            raise Busy
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._by_address[address] += 1
        try:
            await asyncio.wait_for(turn, WAIT_SECONDS)
        except BaseException as error:
            with suppress(ValueError):
                self._waiting.remove(turn)
            if turn.done() and not turn.cancelled():
                self._release()  # A thread came free at the same moment.
            if isinstance(error, TimeoutError):
                raise Busy from None
            raise
        finally:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

    def run(self, call: Callable[[], None]) -> None:
        """Runs the call, which raises nothing, in the thread that was acquired."""
        loop = asyncio.get_running_loop()

        def then_release() -> None:
            try:
                call()
            finally:
                with suppress(RuntimeError):  # The loop has ended.
                    loop.call_soon_threadsafe(self._release)

        if self._started < self._size - self._free:
            self._started += 1
            threading.Thread(target=self._work, name="web", daemon=True).start()
        self._calls.put(then_release)

    def _release(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def _work(self) -> None:
        while True:
            self._calls.get()()
