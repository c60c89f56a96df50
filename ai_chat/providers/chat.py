"""The text provider: OpenAI's chat completions, streamed."""

import codecs
import json
from collections.abc import Iterable, Iterator
from typing import Any, Literal, TypedDict

from django.conf import settings

from ai_chat.providers.client import Cancellable, client, limit_name
from ai_chat.providers.errors import ProviderError
from ai_chat.providers.pieces import Alive, End, Finish, Piece, Text
from ai_chat.providers.sdk_errors import error_of, provider_errors
from ai_chat.providers.sse import read_events
from credits.models import AIModel
from credits.reasons import Reason

END = "[DONE]"


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
            limit_name(model.provider): settings.ANSWER_MAX_TOKENS,
            "stream": True,
        }
        if temperature is not None:
            self._request["temperature"] = temperature
        self._finished = False

    def __iter__(self) -> Iterator[Piece]:
        """Yields what comes. Raises ProviderError, also when the stream ends without a finish
        reason: then it was cut."""
        with provider_errors():
            for text in storable(self._pieces()):
                yield Text(text) if text else Alive()
        if not self._finished:
            raise ProviderError(Reason.CUT_OFF)
        yield End(Finish.STOP)

    def _pieces(self) -> Iterator[str]:
        # The raw response: the SDK would make an object of each chunk, which costs more than all
        # else that happens to a token.
        completions = client(self._provider).chat.completions.with_streaming_response
        with (
            completions.create(**self._request) as response,
            self.reading(response.http_response),
        ):
            for event in read_events(response.iter_bytes()):
                if event.data.startswith(END):
                    return
                if event.data:  # Without any it is a sign of life.
                    yield from self._text_of(json.loads(event.data))

    def _text_of(self, chunk: dict[str, Any]) -> Iterator[str]:
        """The text of one chunk, which may be any JSON: `provider_errors` knows what it raises."""
        if error := chunk.get("error"):
            code = error.get("code") if isinstance(error, dict) else None
            raise error_of(code)
        # Gateways send figures and signs of life without choices, and an end without delta.
        for choice in (chunk.get("choices") or [])[:1]:
            self._finished = self._finished or bool(choice.get("finish_reason"))
            delta = choice.get("delta") or {}
            if choice.get("finish_reason") == "content_filter" or delta.get("refusal"):
                raise ProviderError(Reason.REFUSED)
            if content := delta.get("content"):
                if not isinstance(content, str):
                    raise ProviderError(Reason.UNREADABLE)
                yield content


def storable(tokens: Iterable[str]) -> Iterator[str]:
    """The same text without what JSON can say and no database keeps: a NUL goes, the halves of a
    character that came in two tokens are joined, and a half alone becomes U+FFFD."""
    decoder = codecs.getincrementaldecoder("utf-16-le")("replace")
    for token in tokens:
        if whole := decoder.decode(token.encode("utf-16-le", "surrogatepass")).replace("\0", ""):
            yield whole
    if half := decoder.decode(b"", final=True):
        yield half
