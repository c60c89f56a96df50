"""The text provider: OpenAI's chat completions, streamed."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, Literal, TypedDict

from django.conf import settings

from ai_chat.providers.client import client, limit_name, usage_options
from ai_chat.providers.connections import Cancellable
from ai_chat.providers.errors import ProviderError
from ai_chat.providers.pieces import Piece
from ai_chat.providers.reading import AnswerReader
from ai_chat.providers.sdk_errors import provider_errors
from ai_chat.providers.usage import USAGE_SECONDS
from credits.models import AIModel

#: Seconds for which the end of the body is waited for after the mark of the end: a connection whose
#: body was read to its end can be used again.
BODY_SECONDS = 0.2

type Part = dict[str, Any]


class Message(TypedDict):
    role: Literal["system", "user", "assistant"]
    #: A text, or parts in OpenAI's format: text, pictures and files.
    content: str | list[Part]


class AnswerStream(Cancellable):
    """The text of one answer, piece by piece."""

    def __init__(
        self, *, model: AIModel, messages: list[Message], temperature: float | None
    ) -> None:
        super().__init__()
        self._provider = model.provider
        self._request: dict[str, Any] = {
            "model": model.provider_model,
            "messages": messages,
            limit_name(model.provider): tokens_of(model),
            "stream": True,
            **usage_options(model.provider),
        }
        if temperature is not None:
            self._request["temperature"] = temperature

    def __iter__(self) -> Iterator[Piece]:
        """Yields what comes, as `read_answer` does. Raises ProviderError."""
        # The raw response: the SDK would make an object of each chunk, which costs more than all
        # else that happens to a token.
        with provider_errors(), self.calling():
            completions = client(self._provider).chat.completions.with_streaming_response
            with completions.create(**self._request) as response:
                chunks = response.iter_bytes()
                reader = AnswerReader()
                yield from reader.read(self._bounded(chunks, reader))
                self._read_to_end(chunks)

    def _bounded(self, chunks: Iterable[bytes], reader: AnswerReader) -> Iterator[bytes]:
        """The same chunks; once the answer has ended they have only USAGE_SECONDS more, or less
        where the job itself would not wait so long. After an end that text has followed, silence
        ends the answer a little before the job would take it for a failure."""
        wait = min(USAGE_SECONDS, settings.SILENCE_SECONDS / 2)
        bounded = False
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


def can_read(model: AIModel, messages: Iterable[Message]) -> bool:
    """Whether the model reads every kind of part that these messages have."""
    contents = [message["content"] for message in messages]
    kinds = {part["type"] for parts in contents if not isinstance(parts, str) for part in parts}
    pictures, files = "image_url" in kinds, "file" in kinds
    return (model.reads_images or not pictures) and (model.reads_files or not files)


def tokens_of(model: AIModel) -> int:
    """The most tokens that an answer of the model may take, with what it thinks before."""
    return (model.output_tokens or settings.ANSWER_MAX_TOKENS) + model.reasoning_tokens
