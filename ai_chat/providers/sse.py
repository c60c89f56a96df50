"""Server-sent events as the HTML standard has them, read from pieces of bytes that may be cut
anywhere: https://html.spec.whatwg.org/multipage/server-sent-events.html"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

#: The most bytes of one event, and of a line of it.
MAX_EVENT_BYTES = 4_000_000
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
LINE_END = re.compile(rb"\r\n|\n|\r")


class EventTooLarge(ValueError):
    """An event, or a line, has more than MAX_EVENT_BYTES."""


class Event(NamedTuple):
    """One event: its name, `message` unless it said another, and its data, lines joined by LF."""

    name: str
    data: str


#: Stands for a comment: no event, but a sign that the connection lives.
COMMENT = Event("", "")


def read_events(pieces: Iterable[bytes]) -> Iterator[Event]:
    """The events of a stream, each as soon as it is whole, and COMMENT for each comment; an event
    that the stream's end cuts off is dropped, as the standard says. Raises EventTooLarge."""
    name, data, size = b"", [], 0
    for line in _lines(pieces):
        field, _, value = line.partition(b":")
        size += len(line)
        if size > MAX_EVENT_BYTES:
            raise EventTooLarge
        if line:
            value = value.removeprefix(b" ")
            if field == b"data":
                data.append(value)
            elif field == b"event":
                name = value
            elif not field:
                yield COMMENT
            continue
        if data:
            yield Event(_text(name) or "message", _text(b"\n".join(data)))
        name, data, size = b"", [], 0


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Lines that have ended, without their ends; what the stream ends with is no line."""
    begun: list[bytes] = []
    length, after_cr = 0, False
    for piece in without_mark(pieces):
        # CR ends a line at once; an LF in the next piece belongs to it.
        whole = piece.removeprefix(b"\n") if after_cr else piece
        after_cr = piece.endswith(b"\r")
        first, *others = LINE_END.split(whole)
        begun.append(first)
        length += len(first)
        if length > MAX_EVENT_BYTES:
            raise EventTooLarge
        if others:
            yield b"".join(begun)
            yield from others[:-1]
            begun, length = [others[-1]], len(others[-1])


def without_mark(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same pieces without a byte order mark; none of them is empty."""
    source = filter(None, pieces)
    head = b""
    for piece in source:
        head += piece
        if len(head) >= len(BYTE_ORDER_MARK) or not BYTE_ORDER_MARK.startswith(head):
            break
    if head := head.removeprefix(BYTE_ORDER_MARK):
        yield head
    yield from source


def _text(value: bytes) -> str:
    return value.decode(errors="replace")
