"""What a provider is made of: the seam between the HTTP server and whatever answers.

The server speaks OpenAI's wire format and knows nothing of models. An engine turns a request into
events, one after the other; the server writes them out, and closes the iterator as soon as the
client is gone, which is the engine's cue to stop working.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Literal, Protocol

type Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True)
class Message:
    """One message of a conversation, as plain text."""

    role: Role
    text: str


@dataclass(frozen=True)
class ChatRequest:
    """A checked request for an answer; `max_tokens` bounds the answer, not the conversation."""

    model: str
    messages: tuple[Message, ...]
    temperature: float
    max_tokens: int
    stream: bool = False
    include_usage: bool = False

    @property
    def prompt(self) -> str:
        """The last thing the user said; where markers are looked for."""
        return next((m.text for m in reversed(self.messages) if m.role == "user"), "")


@dataclass(frozen=True)
class ImageRequest:
    """A checked request for `count` pictures of `width` by `height` pixels."""

    model: str
    prompt: str
    count: int
    width: int
    height: int


@dataclass(frozen=True)
class Pause:
    """Nothing yet. Lets the server look whether the client is still there.

    With `comment` the server also sends an SSE comment, so that the connection stays busy while
    the answer does not move.
    """

    comment: bool = False


@dataclass(frozen=True)
class Done:
    """The answer is complete; `refusal` is what the model said instead of answering."""

    finish_reason: Literal["stop", "length", "content_filter"] = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    refusal: str | None = None


# A str is a piece of text, bytes are a whole picture (PNG).
type Event = str | bytes | Pause | Done
type Events = Generator[Event]


class ContextTooLong(Exception):
    """The conversation does not fit into the model's context."""


class EngineFailed(Exception):
    """The engine broke while answering."""


class Engine(Protocol):
    """Whatever answers. Its generators are closed early when the client goes away."""

    def chat(self, request: ChatRequest) -> Events:
        """Yield the answer's text piece by piece, then Done.

        Raises ContextTooLong, before the first piece, and EngineFailed.
        """

    def paint(self, request: ImageRequest) -> Events:
        """Yield each picture asked for as the bytes of a PNG."""
