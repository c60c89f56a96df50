"""Jobs being done in this process: a thread for each, whoever is watching. A lost browser changes
nothing, and any number of viewers may follow."""

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import Error as AnyDatabaseError
from django.db import connections

from ai_chat.jobs.ending import Outcome, end_job
from ai_chat.jobs.errors import Busy
from ai_chat.jobs.models import FAILED, RUNNING, Job
from ai_chat.providers.errors import ProviderError
from ai_chat.providers.pieces import Piece, Reasoning, Text
from credits.ledger import get_balance
from credits.reasons import Reason

logger = logging.getLogger(__name__)

#: How often an ending is tried again when the database does not answer; then the lease decides.
FINISH_TRIES = 5

_runs: dict[UUID, "Run[Any]"] = {}


class Stopped(Exception):
    """The user asked to stop, or the job has been ended or deleted elsewhere."""


@dataclass(frozen=True)
class Bounds:
    """Seconds until the first sign of life, between two of them, and until the end."""

    first: float
    silence: float
    total: float


class Work[J: Job](ABC):
    """One job to be done: what its kind asks of the provider, and what comes of it."""

    #: None for work that bounds itself: it ends within HOLD_LEASE_SECONDS, as no lease is renewed.
    bounds: Bounds | None = None

    def __init__(self, job: J) -> None:
        self.job = job

    @abstractmethod
    def perform(self, publish: Callable[[Piece], bool]) -> None:
        """Does the work; what comes is published. Ends early once `publish` returns False: then
        nobody wants more; publishing Alive() only asks. Raises ProviderError."""

    @abstractmethod
    def outcome(self, cause: Exception | None, text: str) -> Outcome:
        """What the job comes to after `perform` has ended: with `text`, and because of a
        ProviderError, Stopped, or None."""

    def keep(self, text: str, *, lost: bool) -> Mapping[str, Any]:
        """Keeps the result within the ending's transaction; returns columns of the job that it
        changes. A `lost` job's credits had come back before its end."""
        return {}

    @abstractmethod
    def cancel(self) -> None:
        """Ends the provider's call from another thread. May be called at any time, also twice."""

    def ended(self, *, kept: bool) -> None:  # noqa: B027 -- most kinds have nothing to do
        """After the ending's transaction; `kept` says that it has kept this work's result."""


@contextmanager
def released_connection() -> Iterator[None]:
    """Gives this thread's database connection back to the pool afterwards: a thread that waits for
    a job holds none."""
    try:
        yield
    finally:
        connections.close_all()


class Run[J: Job]:
    """A job being done in this process. Three sides meet here: the thread that does the work, any
    number of viewers, and whoever interrupts it. The first to close the run decides its end."""

    def __init__(self, work: Work[J]) -> None:
        self.work = work
        self.ended = threading.Event()
        #: The job as it ended; None while it runs, and when its end could not be saved.
        self.job: J | None = None
        self._news = threading.Condition()
        self._parts: list[Piece] = []
        self._closed = False
        self._alive = False
        #: Characters that are in the database; only the supervisor looks at it.
        self.saved = 0
        #: When the hold's lease began; only the supervisor looks at it.
        self.leased_at = time.monotonic()
        self._started = self._latest = self.leased_at

    def wait(self, seen: int, timeout: float) -> tuple[list[Piece], int]:
        """The pieces beyond the first `seen`, and how many that makes; waits for news or the end up
        to `timeout` seconds."""
        with self._news:
            self._news.wait_for(lambda: len(self._parts) > seen or self.ended.is_set(), timeout)
            return self._parts[seen:], len(self._parts)

    def text(self) -> str:
        """The answer so far."""
        return self._joined(Text)

    def reasoning(self) -> str:
        """What the model thought so far."""
        return self._joined(Reasoning)

    def _joined(self, kind: type[Text] | type[Reasoning]) -> str:
        with self._news:
            return "".join(part.text for part in self._parts if isinstance(part, kind))

    def stop(self) -> None:
        """Ends the job as stopped, with the text that it has by now."""
        self.interrupt(Stopped())

    @property
    def overdue_at(self) -> float:
        """The moment (time.monotonic) at which the provider has taken too long."""
        bounds = self.work.bounds
        if bounds is None or self._closed:
            return float("inf")
        patience = bounds.silence if self._alive else bounds.first
        return min(self._latest + patience, self._started + bounds.total)

    def interrupt(self, cause: Exception) -> None:
        """Ends the job at once, in a thread of its own: the one that does the work may be waiting
        for the provider, and the caller has other things to do."""
        if self._close():
            try:
                threading.Thread(target=self._end, args=[cause], daemon=True).start()
            except RuntimeError:
                self._end(cause)

    def start(self) -> None:
        """Begins the work. Raises Busy when there is no thread for it: then the job is refunded."""
        job = self.work.job
        _runs[job.pk] = self
        try:
            name = f"{job.kind}-{job.pk}"
            threading.Thread(target=self._work, name=name, daemon=True).start()
        except RuntimeError:
            logger.exception("%s could not be started", job)
            self._finish(Outcome(FAILED, Reason.NOT_STARTED, delivered=0))
            raise Busy from None

    def _work(self) -> None:
        cause: Exception | None = None
        try:
            self.work.perform(self._publish)
        except ProviderError as error:
            cause = error
        except Exception as error:
            logger.exception("%s failed", self.work.job)
            cause = ProviderError(Reason.PROVIDER_ERROR, code=type(error).__name__)
        if self._close():
            self._end(cause)

    def _publish(self, piece: Piece) -> bool:
        with self._news:
            if self._closed:
                return False
            self._latest = time.monotonic()
            self._alive = True
            if isinstance(piece, Text | Reasoning):
                self._parts.append(piece)
                self._news.notify_all()
        return True

    def _close(self) -> bool:
        """Takes no more text. Returns whether the caller is the one to end the job."""
        with self._news:
            first, self._closed = not self._closed, True
        return first

    def _end(self, cause: Exception | None) -> None:
        self.work.cancel()
        if isinstance(cause, ProviderError):
            logger.warning("%s failed: %s", self.work.job, cause)
        self._finish(self.work.outcome(cause, self.text()))

    def _finish(self, outcome: Outcome) -> None:
        try:
            for attempt in range(FINISH_TRIES):
                try:
                    return self._save_end(outcome)
                except AnyDatabaseError:
                    logger.warning("%s could not be ended (try %d)", self.work.job, attempt + 1)
                    time.sleep(0.2 * 3**attempt)
        finally:
            _runs.pop(self.work.job.pk, None)
            with self._news:
                self.ended.set()
                self._news.notify_all()

    def _save_end(self, outcome: Outcome) -> None:
        text = self.text()
        with released_connection():
            job, here = end_job(
                self.work.job, outcome, lambda lost: self.work.keep(text, lost=lost)
            )
            self.work.ended(kept=here)
            self.job = job
            if job:
                with suppress(AnyDatabaseError):  # Who wants to know it reads it then.
                    job.remaining = get_balance(user_id=job.user_id).remaining


def find_run(job_id: UUID) -> Run[Any] | None:
    """The job's run, if this process is the one doing it."""
    return _runs.get(job_id)


def runs() -> list[Run[Any]]:
    """Everything that is being done in this process."""
    return list(_runs.values())


def stop_job(job: Job) -> None:
    """Stops a job: at once if this process does it, else within a second, in whichever does."""
    running = type(job)._default_manager.filter(pk=job.pk, state=RUNNING)
    running.update(stop_requested=True)
    if run := find_run(job.pk):
        run.stop()
