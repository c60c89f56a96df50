"""What a provider's answer consists of, whatever dialect it came in."""

from enum import StrEnum
from typing import Any, NamedTuple


class Text(NamedTuple):
    """A piece of the answer."""

    text: str


class Reasoning(NamedTuple):
    """A piece of what the model thought before it answered; never sent to it again."""

    text: str


class ToolCall(NamedTuple):
    """A piece of a call that the model asks for: id and name come once, arguments in pieces."""

    position: int
    id: str
    name: str
    arguments: str


class Alive(NamedTuple):
    """A sign of life without content."""


class Finish(StrEnum):
    """What ends an answer well."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"


class Usage(NamedTuple):
    """Tokens: all that were read, `cached` of them from a cache and `cache_write` of them kept in
    one; all that were written, `reasoning` of them."""

    input: int = 0
    cached: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0


class End(NamedTuple):
    """The answer is whole. Comes once; after it only Usage may come."""

    finish: Finish


class Chunk(NamedTuple):
    """A chunk of the provider's format with all that it has put into it, for whoever passes answers
    on; and whether anything of the answer has come with it or before it: not those that only open
    it."""

    data: dict[str, Any]
    has_begun: bool = True


type Piece = Chunk | Text | Reasoning | ToolCall | Alive | End | Usage
