"""Running turns. A turn is answered by a thread of its own in the process that charged it,
whoever is watching: a lost browser changes nothing, and any number of viewers may follow."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from uuid import UUID

from django.conf import settings
from django.db import Error as AnyDatabaseError
from django.db import connections

from ai_chat.models import Turn
from ai_chat.provider import (
    AnswerStream,
    Message,
    ProviderError,
    ProviderRefusal,
    ProviderTimeout,
)
from ai_chat.turns import finish_turn, save_progress

logger = logging.getLogger(__name__)

#: Seconds between saves of the text so far, and so between looks at a stop asked for elsewhere.
SAVE_SECONDS = 1.0
#: How often an ending is tried again when the database does not answer; then the lease decides.
FINISH_TRIES = 5

_runs: dict[UUID, "Run"] = {}


class _Stop:
    """The user asked to stop."""


class _End:
    """The provider's answer is complete."""


type Item = str | ProviderError | _Stop | _End


@contextmanager
def released_connection() -> Iterator[None]:
    """Gives this thread's database connection back to the pool afterwards: a turn that waits for
    tokens holds none."""
    try:
        yield
    finally:
        connections.close_all()


class Run:
    """A turn being answered in this process."""

    def __init__(self, *, turn_id: UUID, stream: AnswerStream) -> None:
        self.turn_id = turn_id
        self._stream = stream
        self._items: SimpleQueue[Item] = SimpleQueue()
        self._news = threading.Condition()
        self._parts: list[str] = []
        self._length = 0
        self._stopped = False
        self.ended = False

    # For viewers -------------------------------------------------------------------------------

    def wait(self, seen: int, timeout: float) -> tuple[str, int, bool]:
        """The text beyond the first `seen` parts, how many parts that makes, and whether the turn
        has ended; waits for news up to `timeout` seconds."""
        with self._news:
            self._news.wait_for(lambda: self.ended or len(self._parts) > seen, timeout)
            return "".join(self._parts[seen:]), len(self._parts), self.ended

    def stop(self) -> None:
        self._items.put(_Stop())

    # The runner --------------------------------------------------------------------------------

    def start(self) -> None:
        _runs[self.turn_id] = self
        for target in (self._read, self._run):
            threading.Thread(target=target, name=f"turn-{self.turn_id}", daemon=True).start()

    def _read(self) -> None:
        """Moves tokens from the provider to the queue; only this thread waits for the network."""
        try:
            for token in self._stream:
                self._items.put(token)
            self._items.put(_End())
        except ProviderError as error:
            self._items.put(error)

    def _run(self) -> None:
        try:
            state, failure = self._collect()
            self._stream.cancel()
            self._finish(state, failure)
        finally:
            _runs.pop(self.turn_id, None)
            with self._news:
                self.ended = True
                self._news.notify_all()

    def _collect(self) -> tuple[Turn.State, Turn.Failure | None]:
        """Publishes tokens until the answer ends one way or another; returns what it comes to."""
        try:
            for token in self._tokens():
                self._publish(token)
        except ProviderError as error:
            logger.warning("turn %s failed: %s", self.turn_id, type(error).__name__)
            return Turn.State.FAILED, _failure(error)
        has_text = bool("".join(self._parts).strip())
        if self._stopped:
            return Turn.State.STOPPED, None if has_text else Turn.Failure.STOPPED_EARLY
        return (Turn.State.ANSWERED, None) if has_text else (Turn.State.FAILED, Turn.Failure.EMPTY)

    def _tokens(self) -> Iterator[str]:
        """Tokens until the end or a stop, within the bounds of the settings.

        Raises ProviderTimeout when the first token, the next one or the end is overdue.
        """
        started = saved = time.monotonic()
        overdue = started + settings.FIRST_TOKEN_SECONDS
        while self._length < settings.ANSWER_MAX_CHARACTERS:
            now = time.monotonic()
            if now >= min(overdue, started + settings.ANSWER_SECONDS):
                raise ProviderTimeout
            if now - saved >= SAVE_SECONDS:
                saved = now
                if self._should_stop():
                    self.stop()
            try:
                item = self._items.get(timeout=min(SAVE_SECONDS, overdue - now))
            except Empty:
                continue
            if isinstance(item, ProviderError):
                raise item
            if not isinstance(item, str):
                self._stopped = isinstance(item, _Stop)
                return
            overdue = time.monotonic() + settings.SILENCE_SECONDS
            yield item[: settings.ANSWER_MAX_CHARACTERS - self._length]

    def _publish(self, token: str) -> None:
        with self._news:
            self._parts.append(token)
            self._length += len(token)
            self._news.notify_all()

    def _should_stop(self) -> bool:
        try:
            with released_connection():
                return save_progress(turn_id=self.turn_id, answer="".join(self._parts))
        except AnyDatabaseError:
            return False  # The answer goes on; the ending is what must reach the database.

    def _finish(self, state: Turn.State, failure: Turn.Failure | None) -> None:
        for attempt in range(FINISH_TRIES):
            try:
                with released_connection():
                    finish_turn(
                        turn_id=self.turn_id,
                        answer="".join(self._parts),
                        state=state,
                        failure=failure,
                    )
            except AnyDatabaseError:
                logger.warning("turn %s could not be ended (try %d)", self.turn_id, attempt + 1)
                time.sleep(0.2 * 3**attempt)
            else:
                return


def _failure(error: ProviderError) -> Turn.Failure:
    if isinstance(error, ProviderTimeout):
        return Turn.Failure.TIMEOUT
    if isinstance(error, ProviderRefusal):
        return Turn.Failure.REFUSED
    return Turn.Failure.PROVIDER_ERROR


def start_run(turn: Turn, messages: list[Message], *, temperature: float | None = None) -> Run:
    """Calls the provider for a turn that was just charged."""
    stream = AnswerStream(model=turn.model, messages=messages, temperature=temperature)
    run = Run(turn_id=turn.pk, stream=stream)
    run.start()
    return run


def find_run(turn_id: UUID) -> Run | None:
    """The turn's run, if this process is the one answering it."""
    return _runs.get(turn_id)
