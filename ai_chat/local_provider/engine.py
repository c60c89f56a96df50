"""The interface between the HTTP server and an engine, which turns a request into events. The
server closes the generator as soon as the client is gone, so that the engine stops working."""

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Literal, Protocol, Self

type Role = Literal["system", "user", "assistant"]
type Reason = Literal["stop", "length", "content_filter"]


@dataclass(frozen=True)
class Message:
    """One message of a conversation, as plain text."""

    role: Role
    text: str


@dataclass(frozen=True)
class ChatRequest:
    """A checked request; `messages` has one of the user, `max_tokens` bounds the answer, with its
    reasoning."""

    model: str
    messages: tuple[Message, ...]
    temperature: float
    max_tokens: int
    stream: bool = False
    include_usage: bool = False

    @property
    def prompt(self) -> str:
        """The text of the last user message, which may hold markers."""
        return self.messages[self._last()].text

    def with_prompt(self, text: str) -> Self:
        """The same request with another text of the last user message."""
        messages = list(self.messages)
        messages[self._last()] = Message("user", text)
        return replace(self, messages=tuple(messages))

    def _last(self) -> int:
        return max(n for n, message in enumerate(self.messages) if message.role == "user")


@dataclass(frozen=True)
class ImageRequest:
    """A checked request for `count` pictures of `width` by `height` pixels."""

    model: str
    prompt: str
    count: int
    width: int
    height: int

    def with_prompt(self, text: str) -> Self:
        """The same request with another prompt."""
        return replace(self, prompt=text)


@dataclass(frozen=True)
class EmbeddingsRequest:
    """A checked request for one vector for each input: a text, or tokens of the model's own
    vocabulary. `dimensions` are the numbers kept of each vector."""

    model: str
    inputs: tuple[str | tuple[int, ...], ...]
    dimensions: int
    as_base64: bool = False

    @property
    def prompt(self) -> str:
        """The last input, which may hold markers if it is a text."""
        text = self.inputs[-1]
        return text if isinstance(text, str) else ""

    def with_prompt(self, text: str) -> Self:
        """The same request with another text as its last input, unless that is empty: no input
        may be."""
        return replace(self, inputs=(*self.inputs[:-1], text)) if text else self


type Request = ChatRequest | ImageRequest | EmbeddingsRequest


@dataclass(frozen=True)
class Vector:
    """The embedding of one input: 32-bit numbers, of length 1 together."""

    numbers: tuple[float, ...]


@dataclass(frozen=True)
class Pause:
    """Nothing yet: the server checks whether the client is still there. With `comment` it also
    sends an SSE comment, so that the connection is not silent."""

    comment: bool = False


@dataclass(frozen=True)
class Thought:
    """A piece of what the model thinks before it answers."""

    text: str


@dataclass(frozen=True)
class Done:
    """The answer is complete; `refusal` is what the model said instead of answering. Of the tokens
    of the prompt `cached_tokens` were read before; of those of the answer `reasoning_tokens` are
    thoughts."""

    finish_reason: Reason = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    refusal: str | None = None
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    #: How the usage is falsified: a name of `wire.FALSE_USAGE`, or none of them.
    false_usage: str = ""


# A str is a piece of text, bytes are a whole picture (PNG).
type Event = str | bytes | Vector | Thought | Pause | Done
type Events = Generator[Event]


class ContextTooLong(Exception):
    """What was sent as `param` does not fit into the model's context."""

    def __init__(self, message: str, param: str = "messages") -> None:
        super().__init__(message)
        self.param = param


class InvalidTokens(Exception):
    """An input holds tokens that the model's vocabulary has not."""


class EngineFailed(Exception):
    """The engine broke while answering."""


class Engine(Protocol):
    """Answers requests. Its generators are closed early when the client goes away."""

    def chat(self, request: ChatRequest) -> Events:
        """Yields the answer's text piece by piece, then Done. Raises EngineFailed, and
        ContextTooLong before the first piece."""

    def paint(self, request: ImageRequest) -> Events:
        """Yield each picture asked for as the bytes of a PNG."""

    def embed(self, request: EmbeddingsRequest) -> Events:
        """Yield the whole vector of each input, then Done. Raises EngineFailed, ContextTooLong, and
        InvalidTokens."""
