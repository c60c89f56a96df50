"""The text provider: OpenAI's chat completions, streamed."""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, Literal, TypedDict

from django.conf import settings

from ai_chat.providers.client import client, limit_name, timeout_of, usage_options
from ai_chat.providers.connections import Cancellable
from ai_chat.providers.errors import ProviderError
from ai_chat.providers.pieces import Piece
from ai_chat.providers.reading import AnswerReader
from ai_chat.providers.received import Received
from ai_chat.providers.sdk_errors import provider_errors
from ai_chat.providers.usage import USAGE_SECONDS
from credits.models import AIModel

#: Seconds for which the end of the body is waited for after the mark of the end: a connection whose
#: body was read to its end can be used again.
BODY_SECONDS = 0.2
#: Seconds for which a model that hides its reasoning is read on when nobody waits for the answer.
DRAIN_SECONDS = 60.0

type Part = dict[str, Any]


class Message(TypedDict):
    role: Literal["system", "user", "assistant"]
    #: A text, or parts in OpenAI's format: text, pictures and files.
    content: str | list[Part]


class ProviderCall(Cancellable, ABC):
    """An answer that a provider writes, piece by piece. `max_tokens`: the tokens of it that were
    paid for; None where the whole message is, whatever it takes.

    Of an answer that is paid for by tokens the last figures matter, and a provider sends them at
    its end. So when nobody waits for more (the iteration is broken off, or `leave` is called) it is
    read on for USAGE_SECONDS once its finish reason has come, and for DRAIN_SECONDS where the model
    hides its reasoning: closing early would get that for nothing. Design: gateway, C.7."""

    def __init__(self, model: AIModel, reader: AnswerReader, *, max_tokens: int | None) -> None:
        super().__init__()
        self._provider = model.provider
        self._by_tokens = max_tokens is not None
        self._drains = model.hides_reasoning
        self._reader = reader
        self._begun, self._over = False, threading.Event()
        #: After it (time.monotonic) nothing is read.
        self._last_moment = float("inf")

    @abstractmethod
    def _answer(self) -> AbstractContextManager[Iterator[bytes]]:
        """Asks the provider, and gives the bytes of its answer. Raises what `provider_errors`
        knows, and ProviderError."""

    def __iter__(self) -> Iterator[Piece]:
        """Yields what comes, as `read_answer` does. Raises ProviderError. Can be done once."""
        self._begun = True
        try:
            with provider_errors(), self.calling(), self._answer() as chunks:
                yield from self._read(chunks)
        finally:
            self._over.set()

    @property
    def received(self) -> Received:
        """What has come so far; any thread may ask."""
        return self._reader.received

    def leave(self) -> None:
        """Ends the call, from another thread, because nobody waits for more: at once, or when its
        last figures are there. Returns then."""
        self._over.wait(self._patience())
        self.cancel()

    def end_within(self, seconds: float | None) -> None:
        left = self._last_moment - time.monotonic()
        super().end_within(left if seconds is None else min(seconds, left))

    def _read(self, chunks: Iterator[bytes]) -> Iterator[Piece]:
        pieces = self._reader.read(self._bounded(chunks))
        try:
            # Not `yield from`: that would close the pieces as well.
            for piece in pieces:  # noqa: UP028
                yield piece
        except GeneratorExit:
            self._read_on(pieces)
            raise
        self._read_to_end(chunks)

    def _patience(self) -> float:
        """Seconds for which a call that nobody waits for is read on."""
        if not self._by_tokens or not self._begun or self.cancelled.is_set():
            return 0
        if self._reader.ended:
            return USAGE_SECONDS
        return DRAIN_SECONDS if self._drains else 0

    def _read_on(self, pieces: Iterator[Piece]) -> None:
        seconds = self._patience()
        if not seconds:
            return
        self._last_moment = time.monotonic() + seconds
        self.end_within(None)
        with suppress(ProviderError):
            for _ in pieces:
                pass

    def _bounded(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The same chunks; once the answer has ended they have only USAGE_SECONDS more, or less
        where the job itself would not wait so long. After an end that text has followed, silence
        ends the answer a little before the job would take it for a failure."""
        wait = min(USAGE_SECONDS, settings.SILENCE_SECONDS / 2)
        reader, bounded = self._reader, False
        for chunk in chunks:
            yield chunk
            if reader.ended is not bounded:
                bounded = reader.ended
                self.end_within(wait if bounded else None)
            if reader.goes_on:
                self.end_within(settings.SILENCE_SECONDS * 0.9)

    def _read_to_end(self, chunks: Iterable[bytes]) -> None:
        self.end_within(BODY_SECONDS)
        with suppress(ProviderError), provider_errors():
            for _ in chunks:
                pass


class AnswerStream(ProviderCall):
    """The text of one answer in a chat."""

    def __init__(
        self,
        *,
        model: AIModel,
        messages: list[Message],
        temperature: float | None,
        max_tokens: int | None = None,
    ) -> None:
        super().__init__(model, AnswerReader(max_tokens=max_tokens), max_tokens=max_tokens)
        self._request: dict[str, Any] = {
            "model": model.provider_model,
            "messages": messages,
            limit_name(model.provider): max_tokens or tokens_of(model),
            "stream": True,
            **usage_options(model.provider),
            "timeout": timeout_of(model),
        }
        if temperature is not None:
            self._request["temperature"] = temperature

    @contextmanager
    def _answer(self) -> Iterator[Iterator[bytes]]:
        # The raw response: the SDK would make an object of each chunk, which costs more than all
        # else that happens to a token.
        completions = client(self._provider).chat.completions.with_streaming_response
        with completions.create(**self._request) as response:
            yield response.iter_bytes()


def can_read(model: AIModel, messages: Iterable[Message]) -> bool:
    """Whether the model reads every kind of part that these messages have."""
    contents = [message["content"] for message in messages]
    kinds = {part["type"] for parts in contents if not isinstance(parts, str) for part in parts}
    pictures, files = "image_url" in kinds, "file" in kinds
    return (model.reads_images or not pictures) and (model.reads_files or not files)


def tokens_of(model: AIModel) -> int:
    """The most tokens that an answer of the model may take, with what it thinks before."""
    return (model.output_tokens or settings.ANSWER_MAX_TOKENS) + model.reasoning_tokens
