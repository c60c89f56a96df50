"""How a call of /v1 is answered, whatever the format: with events while its chunks come, or with
one object after the last of them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, suppress
from typing import Any

from django.db import connections
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse

from ai_chat.gateway.calls import Call, CallWork, start_call
from ai_chat.gateway.errors import ApiError, call_stopped, end_not_recorded, provider_failed
from ai_chat.gateway.headers import charge_headers, ended_headers
from ai_chat.gateway.json_output import json_response
from ai_chat.jobs.running import Run
from ai_chat.jobs.supervision import begin_driven
from ai_chat.models import ApiCall
from ai_chat.providers.errors import ProviderError
from ai_chat.providers.pieces import Chunk, Piece
from ai_chat.providers.sdk_errors import provider_errors
from config.serving.answers import watch_client
from config.serving.capacity import keeps_a_thread
from credits.keys.lookup import Caller
from credits.models import Use
from credits.reasons import Reason
from credits.uses import Tokens

type Data = dict[str, Any]


class RunningCall:
    """A call that is being answered: the chunks of its answer, and what it came to after the last
    of them. `start` has to be called first."""

    def __init__(self, job: ApiCall, call: Call, work: type[CallWork] = CallWork) -> None:
        self._run: Run[ApiCall] = begin_driven(work(job, call))
        self._pieces = self._held_back(self._run.drive())

    def _held_back(self, pieces: Generator[Piece]) -> Generator[Piece]:
        """The pieces; none before the answer has begun. A failure until then is a status, which
        clients try again after, and not the end of a stream, which they do not."""
        held: list[Piece] = []
        work = self.work
        with closing(pieces):
            for piece in pieces:
                if work is not self.work:  # The fallback has begun anew.
                    held, work = [], self.work
                held.append(piece)
                if isinstance(piece, Chunk) and piece.has_begun:
                    break
            else:
                if self.error():
                    return
            try:
                yield from held
            except ProviderError as error:  # Of `translated`.
                with suppress(StopIteration):
                    pieces.throw(error)
                return
            yield from pieces

    def start(self, http: HttpRequest) -> Piece | None:
        """The first piece of the answer to a request; None for an answer without any. From now on
        a streamed call ends when its client leaves. Raises ApiError when the provider failed, after
        everything came back."""
        if self.work.call.streamed:
            watch_client(http.META, self._run.stop)
        connections.close_all()  # What waits for a provider keeps no connection of the pool.
        piece = next(self._pieces, None)
        if piece is None:
            self.check()
        return piece

    def translated[T](self, piece: Piece | None, translate: Callable[[Data], T]) -> Iterator[T]:
        """What `translate` makes of each chunk of the answer, which begins with this piece. A chunk
        that it cannot read fails the call, as any answer that cannot be read."""
        while piece is not None:
            if isinstance(piece, Chunk):
                try:
                    with provider_errors():
                        translation = translate(piece.data)
                except ProviderError as error:
                    with suppress(StopIteration):
                        self._pieces.throw(error)
                    return
                yield translation
            piece = next(self._pieces, None)

    def close(self) -> None:
        """Stops the call if it has not ended: its client has left."""
        self._pieces.close()

    @property
    def work(self) -> CallWork:
        """What asks the provider: the fallback's, once that has taken over."""
        work = self._run.work
        assert isinstance(work, CallWork)
        return work

    @property
    def job(self) -> ApiCall:
        """The call as it ended; as it began where its end could not be saved."""
        return self._run.job or self.work.job

    @property
    def tokens(self) -> Use | Tokens:
        """The tokens that are paid for, once the call has ended."""
        return self.job.use or self.work.used().tokens

    @property
    def finishes(self) -> list[str]:
        """How each choice ended. What our own limit of time cuts has reached its length."""
        finishes = self.work.reader.finishes
        return ["length"] * len(finishes) if self.work.is_cut else finishes

    def check(self) -> None:
        """Raises ApiError for a call that has failed so that there is no answer."""
        if error := self.error():
            error.headers |= charge_headers(self.job, self.work.call.ignored)
            raise error

    def error(self) -> ApiError | None:
        """Why a call that has ended has no whole answer; None if it has one."""
        if self._run.job is None:
            return end_not_recorded()
        if self.job.failure == Reason.LEASE_EXPIRED:
            return provider_failed(ProviderError(Reason.LEASE_EXPIRED))
        if self.job.state == ApiCall.State.STOPPED:
            return call_stopped()
        if self.work.failure is None:
            return None
        is_charged = self.job.failure == Reason.ANSWERS_USED_UP
        return provider_failed(self.work.failure, is_charged=is_charged)


class StreamedAnswer(ABC):
    """The server-sent events of an answer, in one format."""

    def begin(self) -> bytes:
        """What is sent before the first chunk has come."""
        return b""

    @abstractmethod
    def add(self, chunk: Data) -> bytes:
        """The events for one chunk, if any. What this raises fails the call."""

    @abstractmethod
    def end(self) -> bytes:
        """The last events, once the call has ended and is paid."""

    @abstractmethod
    def fail(self, error: ApiError) -> bytes:
        """The last events of an answer that breaks off."""


class WholeAnswer(ABC):
    """An answer in one object, in one format."""

    @abstractmethod
    def add(self, chunk: Data) -> object:
        """One more chunk, in the order in which they come. What this raises fails the call."""

    @abstractmethod
    def body(self) -> Mapping[str, Any]:
        """The object, once the call has ended and is paid."""


def answer_call(
    http: HttpRequest,
    caller: Caller,
    call: Call,
    *,
    whole: Callable[[RunningCall], WholeAnswer],
    streamed: Callable[[RunningCall], StreamedAnswer] | None = None,
    work: type[CallWork] = CallWork,
) -> HttpResponseBase:
    """Makes a call and answers it, whole or `streamed` as it asks for. Raises Busy, TooManyOpen,
    what `start_call` raises, and ApiError for a call that failed before its answer began."""
    with keeps_a_thread(caller.account_id) as slot:
        job = start_call(http, caller, call)
        running = RunningCall(job, call, work)
        headers = charge_headers(job, call.ignored)
        if call.streamed and streamed:
            events = streamed(running)
            content = _events(running, events, running.start(http))
            return slot.by(_event_stream(content, headers))
        answer = whole(running)
        for _ in running.translated(running.start(http), answer.add):
            pass
        running.check()
        body = answer.body()
        return json_response(body, {**headers, **ended_headers(running.job)})


def _events(running: RunningCall, answer: StreamedAnswer, piece: Piece | None) -> Iterator[bytes]:
    """All events of an answer, which begins with this piece."""
    try:
        if begin := answer.begin():
            yield begin
        yield from filter(None, running.translated(piece, answer.add))
        error = running.error()
        yield answer.fail(error) if error else answer.end()
    finally:
        running.close()


def _event_stream(content: Iterator[bytes], headers: Mapping[str, str]) -> StreamingHttpResponse:
    return StreamingHttpResponse(
        content,
        content_type="text/event-stream; charset=utf-8",
        headers={**headers, "Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
