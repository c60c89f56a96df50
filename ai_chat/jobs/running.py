"""Jobs being done in this process: a thread for each, whoever is watching. A lost browser changes
nothing, and any number of viewers may follow."""

import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import Error as AnyDatabaseError
from django.db import connections

from ai_chat.jobs import failures
from ai_chat.jobs.ending import Outcome, end_job
from ai_chat.jobs.models import FAILED, RUNNING, Job
from ai_chat.jobs.work import Stopped, TimeIsUp, Work
from ai_chat.providers.errors import DOWN, ProviderError
from ai_chat.providers.pieces import Chunk, End, Piece, Reasoning, Text
from ai_chat.providers.usage import USAGE_SECONDS
from credits.ledger import extend_holds
from credits.reasons import Reason

logger = logging.getLogger(__name__)

#: How often an ending is tried again when the database does not answer; then the lease decides.
FINISH_TRIES = 5

_runs: dict[UUID, "Run[Any]"] = {}


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
        #: Replaced when the model's fallback takes over.
        self.work = work
        self.ended = threading.Event()
        #: The job as it ended; None while it runs, and when its end could not be saved.
        self.job: J | None = None
        self._asked_for = work.model
        self._news = threading.Condition()
        self._parts: list[Piece] = []
        self._has_parts = False
        #: Seconds from the start to the first of them.
        self._first_seconds: float | None = None
        self._closed = False
        self._alive = False
        #: The thread that does the work and takes its pieces itself (`drive`), if it is one.
        self._driver: int | None = None
        #: Whether its viewer has not come back for the next piece: then nobody waits for the
        #: provider, and what came would be free if that were taken for its silence.
        self._is_taken = False
        #: When the answer was whole (time.monotonic), if it is.
        self._whole_at: float | None = None
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
        if self._whole_at is not None:
            return self._whole_at + USAGE_SECONDS
        if self._is_taken:
            return self._started + bounds.total
        patience = bounds.silence if self._alive else bounds.first
        return min(self._latest + patience, self._started + bounds.total)

    def time_out(self) -> None:
        """Interrupts a job that is overdue."""
        bounds = self.work.bounds
        is_up = bounds is not None and time.monotonic() >= self._started + bounds.total
        self.interrupt(TimeIsUp() if is_up else ProviderError(Reason.TIMEOUT))

    def interrupt(self, cause: Exception) -> None:
        """Ends the job at once, or lets the model's fallback begin, in a thread of its own: the one
        that does the work may be waiting for the provider, and the caller has other things to
        do."""
        work = self.work
        step = self._next_step(work, cause)
        if step is None:
            return
        try:
            threading.Thread(target=step, args=[work, cause], daemon=True).start()
        except RuntimeError:  # There is no thread to be had: the caller ends the job.
            if step == self._end:
                step(work, cause)
            else:
                self.interrupt(cause)

    def start(self) -> None:
        """Begins the work. Raises RuntimeError when there is no thread for it."""
        job = self.work.job
        _runs[job.pk] = self
        threading.Thread(target=self._work, name=f"{job.kind}-{job.pk}", daemon=True).start()

    def register(self) -> None:
        """This thread will do the work (`drive`)."""
        _runs[self.work.job.pk] = self
        self._driver = threading.get_ident()

    def drive(self) -> Generator[Piece]:
        """Does the work in this thread, for a single viewer: yields what comes, and the job has
        ended after the last piece. Closing it early means that the viewer has left, and stops the
        job."""
        step: Callable[..., None] | None = self._fall_back
        while step == self._fall_back:
            work, cause = self.work, None
            try:
                # Closed before the job ends: the provider's last figures may still come.
                with closing(work.pieces()) as pieces:
                    for piece in pieces:
                        if not self._publish(work, piece):
                            break
                        self._is_taken = True
                        yield piece
                        self._latest, self._is_taken = time.monotonic(), False
            except GeneratorExit:
                if (step := self._next_step(work, Stopped())) == self._end:
                    self._end(work, Stopped())
                raise
            except Exception as error:  # noqa: BLE001 -- told by the job
                cause = self._cause_of(error)
            step = self._next_step(work, cause)
            if step == self._fall_back:
                self._prepare_fallback(work, cause)
            elif step:
                step(work, cause)
        self.ended.wait()

    def give_up(self) -> None:
        """Refunds a job for which there was no thread."""
        if self._close():
            self._finish(Outcome(FAILED, Reason.NOT_STARTED, delivered=0))

    def _work(self) -> None:
        work, cause = self.work, None
        try:
            work.perform(partial(self._publish, work))
        except Exception as error:  # noqa: BLE001 -- told by the job
            cause = self._cause_of(error)
        if step := self._next_step(work, cause):
            step(work, cause)

    def _cause_of(self, error: Exception) -> ProviderError:
        """Why the work ended: what nobody foresaw is logged."""
        if isinstance(error, ProviderError):
            return error
        logger.error("%s failed", self.work.job, exc_info=error)
        return ProviderError(Reason.PROVIDER_ERROR, code=type(error).__name__)

    def _publish(self, work: Work[J], piece: Piece) -> bool:
        with self._news:
            if self._closed or work is not self.work:
                return False
            self._latest = time.monotonic()
            self._alive = True
            if isinstance(piece, Text | Reasoning):
                self._parts.append(piece)
                self._news.notify_all()
            elif isinstance(piece, End):
                self._whole_at = self._latest
            has_come = isinstance(piece, Chunk) and piece.has_begun
            if (has_come or isinstance(piece, Text | Reasoning)) and not self._has_parts:
                self._has_parts = True
                self._first_seconds = self._latest - self._started
        return True

    def _close(self) -> bool:
        """Takes no more text. Returns whether the caller is the one to end the job."""
        with self._news:
            first, self._closed = not self._closed, True
        return first

    def _next_step(
        self, work: Work[J], cause: Exception | None
    ) -> Callable[[Work[J], Exception | None], None] | None:
        """What the caller is to do now that `work` is over because of `cause`: end the job, or do
        it with the fallback. None when another thread was first to call this, or the fallback is at
        work already."""
        with self._news:
            if self._closed or work is not self.work:
                return None
            if fallback := self._fallback(cause):
                self.work = fallback
                self._latest, self._alive = time.monotonic(), False
                return self._fall_back
            self._closed = True
            return self._end

    def _fallback(self, cause: Exception | None) -> Work[J] | None:
        """The same work for the model's fallback: once, when the provider is down, and before the
        first piece of the answer."""
        if self._driver not in {None, threading.get_ident()}:
            return None  # Its pieces are taken where the work is done.
        is_first = self.work.model is self._asked_for and not self._has_parts
        is_down = isinstance(cause, ProviderError) and cause.reason in DOWN
        if not is_first or not is_down or isinstance(cause, TimeIsUp) or self._whole_at:
            return None
        fallback = self._asked_for.fallback
        return self.work.with_model(fallback) if fallback and fallback.is_offered else None

    def _fall_back(self, work: Work[J], cause: Exception | None) -> None:
        """Does the job with the fallback, in this thread."""
        self._prepare_fallback(work, cause)
        self._work()

    def _prepare_fallback(self, work: Work[J], cause: Exception | None) -> None:
        job = work.job
        _cancel(work)
        with released_connection():
            if isinstance(cause, ProviderError):
                failures.record(job, work.model, cause)
            # The fallback has the time of a whole job, and the first has used up some of the lease.
            with suppress(AnyDatabaseError):  # Then the lease decides.
                extend_holds(charge_ids=[job.charge.pk], seconds=settings.HOLD_LEASE_SECONDS)

    def _end(self, work: Work[J], cause: Exception | None) -> None:
        if self._whole_at is not None:
            cause = None  # Whatever came after the end changes nothing.
        _cancel(work)
        try:
            outcome = work.outcome(cause, self.text())
        except Exception:
            logger.exception("%s failed", work.job)
            outcome = Outcome(FAILED, Reason.PROVIDER_ERROR, delivered=0)
        self._finish(outcome, cause)

    def _finish(self, outcome: Outcome, cause: Exception | None = None) -> None:
        outcome = replace(outcome, first_seconds=self._first_seconds)
        try:
            for attempt in range(FINISH_TRIES):
                try:
                    return self._save_end(outcome, cause)
                except AnyDatabaseError:
                    logger.warning("%s could not be ended (try %d)", self.work.job, attempt + 1)
                    time.sleep(0.2 * 3**attempt)
        except Exception:
            logger.exception("%s could not be ended", self.work.job)
        finally:
            _runs.pop(self.work.job.pk, None)
            with self._news:
                self.ended.set()
                self._news.notify_all()

    def _save_end(self, outcome: Outcome, cause: Exception | None) -> None:
        work = self.work
        with released_connection():
            job, here = end_job(work.job, outcome, self._keep if self._keeps else None)
            work.ended(job, kept=here)
            if job:
                job.retry_seconds = getattr(cause, "retry_seconds", None)
            self.job = job
            failures.note(work.job, work.model, outcome.failure, cause)

    @property
    def _keeps(self) -> bool:
        """Whether the ending changes more of the job than its end: else it is one statement."""
        return self.work.keeps or self.work.model is not self._asked_for

    def _keep(self, lost: bool) -> Mapping[str, Any]:  # noqa: FBT001 -- as `end_job` calls it
        columns = self.work.keep(self.text(), self.reasoning(), lost=lost)
        took_over = self.work.model is not self._asked_for
        return {**columns, "answered_by": self.work.model.name} if took_over else columns


def _cancel(work: Work[Any]) -> None:
    try:
        work.cancel()
    except Exception:  # The job goes on to its end whatever happens here.
        logger.exception("%s could not be cancelled", work.job)


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
