"""From the bytes of a provider's answer to its pieces, whatever dialect they are in. How an answer
ends is said in docs/architecture.md."""

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from typing import Any

from ai_chat.providers.errors import ProviderError
from ai_chat.providers.pieces import Alive, End, Finish, Piece, Reasoning, Text
from ai_chat.providers.received import Received
from ai_chat.providers.sdk_errors import FILTERS, error_of, provider_errors
from ai_chat.providers.sse import MAX_EVENT_BYTES, Event, EventTooLarge, read_events, without_mark
from ai_chat.providers.text import Storable, ThinkTags, parts_of, strings_of
from ai_chat.providers.tool_calls import ToolCalls
from ai_chat.providers.usage import Flag
from credits.reasons import Reason

DONE = "[DONE]"
#: Levels of lists and objects in what a provider sends.
MAX_LEVELS = 100
#: What a chunk without content comes to.
ALIVE: list[Piece] = [Alive()]
#: How many deltas more than it has tokens an answer may have before it is cut.
SPARE_DELTAS = 64
#: Where reasoning stands in a delta. Several may hold the same text: the first is taken.
REASONING = ("reasoning_content", "reasoning", "thinking", "reasoning_details")


def read_answer(chunks: Iterable[bytes], *, tools_offered: bool = False) -> Iterator[Piece]:
    """The pieces of an answer as its bytes come, streamed or whole. Raises ProviderError unless it
    ends well; after End no error is raised."""
    return AnswerReader(tools_offered=tools_offered).read(chunks)


class AnswerReader:
    """Reads one answer. `ended` says while it does whether a finish reason has come and no more of
    the answer since: then only usage may follow; `goes_on` that more has. (Gateways to Gemini send
    one with every chunk.) An answer of more deltas than `max_tokens` and SPARE_DELTAS is cut there
    as one that reached its length: its provider does not keep the limit."""

    def __init__(self, *, tools_offered: bool = False, max_tokens: int | None = None) -> None:
        self.goes_on = False
        self.received = Received()
        self._most_deltas = float("inf") if max_tokens is None else max_tokens + SPARE_DELTAS
        self._tools_offered = tools_offered
        self._finish: Finish | None = None
        self._done = False
        self._is_empty = True
        self._has_content = False
        self._text, self._reasoning = Storable(), Storable()
        self._tags = ThinkTags()
        self._calls = ToolCalls()

    @property
    def ended(self) -> bool:
        return self._finish is not None and not self.goes_on

    @property
    def has_begun(self) -> bool:
        """Whether anything of the answer has come, be it a thought."""
        return self.received.deltas > 0

    def read(self, chunks: Iterable[bytes]) -> Iterator[Piece]:
        """As `read_answer`. Stops reading at the mark of the end."""
        failure: ProviderError | None = None
        try:
            with provider_errors():
                yield from self._pieces(without_mark(chunks))
        except ProviderError as error:
            failure = error
        if not self._finish:
            # What is still held, half a tag or half a character, is no text.
            raise failure or self._without_finish()
        yield from self._rest()
        yield End(self._finish)
        if self.received.usage:
            yield self.received.usage

    def _pieces(self, chunks: Iterator[bytes]) -> Iterator[Piece]:
        head = b""
        for chunk in chunks:
            # White space is not kept: packed, there may be any amount of it.
            head = chunk.lstrip()
            if head:
                break
        first = head[:1]
        if first in {b"{", b"["}:
            yield from self._whole(chain([head], chunks))
        elif first == b"<":
            raise ProviderError(Reason.UNREADABLE, code="html")
        else:
            self._is_empty = not first
            yield from self._streamed(read_events(chain([head], chunks)))

    def _streamed(self, events: Iterator[Event]) -> Iterator[Piece]:
        for name, data in events:
            if not data:  # A comment, or an event with nothing in it.
                yield from ALIVE
            elif data.lstrip().startswith(DONE):
                self._done = True
                if self._has_content and not self._finish:
                    self._finish = self._well(Finish.STOP)
                return
            elif name.lower() == "error":
                raise error_of(_error_in(data))
            elif name != "message" and not data.startswith("{"):  # A ping with words of its own.
                yield from ALIVE
            else:
                yield from self._chunk(read_chunk(data)) or ALIVE
                if self.received.deltas > self._most_deltas:
                    self._cut()
                    return

    def _cut(self) -> None:
        self._finish = Finish.LENGTH
        self.received.flags |= {Flag.ABOVE_LIMIT}

    def _whole(self, chunks: Iterable[bytes]) -> Iterator[Piece]:
        """An answer that is one JSON object, although a stream was asked for."""
        answer = checked(read_json(chunks))
        answer = answer[0] if isinstance(answer, list) else answer
        if not answer.get("choices") and not error_in_chunk(answer):
            raise ProviderError(Reason.UNREADABLE, code="no_choices")
        yield from self._chunk(answer)
        if self._has_content and not self._finish:
            self._finish = self._well(Finish.STOP)

    def _chunk(self, chunk: Any) -> list[Piece]:
        """What one chunk, or a whole completion, adds. `chunk` may be any JSON: `provider_errors`
        turns what this raises into ProviderError."""
        if error := error_in_chunk(chunk):
            raise error_of(error)
        # Gateways send usage and signs of life without choices.
        pieces: list[Piece] = []
        for choice in chunk.get("choices") or ():
            if not choice.get("index"):
                pieces = self._choice(choice)
                break
        if usage := chunk.get("usage") or (chunk.get("x_groq") or {}).get("usage"):
            self.received.note(usage)
        return pieces

    def _choice(self, choice: dict[str, Any]) -> list[Piece]:
        if error := choice.get("error"):
            raise error_of(error)
        delta = choice.get("delta")
        if delta is None and not self._has_content:  # A server that sends it all at once.
            delta = choice.get("message")
        pieces = self._delta(delta) if delta else []
        finish_reason = choice.get("finish_reason")
        if pieces and self._finish:
            self.goes_on = True
        if finish_reason and not self.ended:
            self._finish = None
            self._finish = self._finish_of(finish_reason)
        if usage := choice.get("usage"):  # Moonshot puts it here.
            self.received.note(usage)
        return pieces

    def _delta(self, delta: dict[str, Any]) -> list[Piece]:
        pieces: list[Piece] = []
        before = self.received.bytes
        for name in REASONING:
            if value := delta.get(name):
                self._think("".join(strings_of(value)), pieces)
                break
        if content := delta.get("content"):
            if isinstance(content, str):
                self._say(content, pieces)
            else:
                self._parts(content, pieces)
        if delta.get("refusal"):
            raise ProviderError(Reason.REFUSED, code="refusal")
        if calls := delta.get("tool_calls"):
            self._ask(calls, pieces)
        elif call := delta.get("function_call"):
            self._ask([{"index": 0, "function": call}], pieces)
        if pieces:
            self._has_content = True
        if pieces or self.received.bytes > before:
            self.received.deltas += 1
        return pieces

    def _parts(self, content: Any, pieces: list[Piece]) -> None:
        for part in parts_of(content):
            if isinstance(part, Reasoning):
                self._think(part.text, pieces)
            else:
                self._say(part.text, pieces)

    def _ask(self, calls: list[dict[str, Any]], pieces: list[Piece]) -> None:
        for piece in self._calls.read(calls):
            self.received.add(piece.arguments)
            pieces.append(piece)

    def _say(self, text: str, pieces: list[Piece]) -> None:
        self.received.add(text)
        if text := self._text.feed(text):
            if self._tags.passed:
                pieces.append(Text(text))
            else:
                pieces += self._tags.feed(text)
            self._has_content = True

    def _think(self, text: str, pieces: list[Piece]) -> None:
        self.received.add(text)
        if text := self._reasoning.feed(text):
            pieces.append(Reasoning(text))

    def _rest(self) -> Iterator[Piece]:
        if reasoning := self._reasoning.rest():
            yield Reasoning(reasoning)
        yield from self._tags.feed(self._text.rest())
        yield from self._tags.rest()

    def _finish_of(self, finish_reason: object) -> Finish:
        """Raises ProviderError for what does not end an answer well."""
        word = str(finish_reason).lower()
        tools = self._tools_offered and word in {"tool_calls", "function_call"}
        if word in {Finish.STOP, Finish.LENGTH} or tools:
            return self._well(Finish.TOOL_CALLS if tools else Finish(word))
        reason = Reason.REFUSED if FILTERS.search(word) else Reason.UNKNOWN_END
        raise ProviderError(reason, code=str(finish_reason))

    def _well(self, finish: Finish) -> Finish:
        """Ollama and Gemini end with `stop` although they ask for a tool."""
        asks = self._tools_offered and self._calls.any and finish == Finish.STOP
        return Finish.TOOL_CALLS if asks else finish

    def _without_finish(self) -> ProviderError:
        if self._done or self._is_empty:
            return ProviderError(Reason.EMPTY_ANSWER, code="no_content")
        return ProviderError(Reason.CUT_OFF, code="no_finish_reason")


def read_chunk(data: str) -> Any:
    """The JSON of an event. Raises ValueError, and RecursionError as `checked`."""
    value = json.loads(data)
    return checked(value) if data.count("[") + data.count("{") > MAX_LEVELS else value


def checked(value: Any) -> Any:
    """The same JSON. Raises RecursionError for more than MAX_LEVELS: recursive functions that read
    it later, when it is paid, would fail."""
    level, levels = [value] if isinstance(value, dict | list) else [], 0
    while level:
        levels += 1
        if levels > MAX_LEVELS:
            raise RecursionError
        inner = [each.values() if isinstance(each, dict) else each for each in level]
        level = [each for group in inner for each in group if isinstance(each, dict | list)]
    return value


def read_json(chunks: Iterable[bytes], *, most: int = MAX_EVENT_BYTES) -> Any:
    """A body's JSON, as soon as it is whole: the connection may stay open after it. Raises
    ValueError, and EventTooLarge beyond `most` bytes."""
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > most:
            raise EventTooLarge
        if chunk.rstrip().endswith((b"}", b"]")):
            with suppress(ValueError):
                return json.loads(body)
    return json.loads(body)


def error_in_chunk(chunk: dict[str, Any]) -> Any:
    """The error that a chunk is or holds."""
    return chunk.get("error") or (chunk if chunk.get("object") == "error" else None)


def _error_in(data: str) -> Any:
    """The error that an event of that name holds: JSON, or words."""
    try:
        error = json.loads(data)
    except (ValueError, RecursionError):
        return data
    return (error_in_chunk(error) or error) if isinstance(error, dict) else error
