"""Server-sent events, cut anywhere: https://html.spec.whatwg.org/multipage/server-sent-events.html"""

from collections.abc import Iterator

import pytest

from ai_chat.providers import sse
from ai_chat.providers.sse import COMMENT, Event, EventTooLarge, read_events

BOM = b"\xef\xbb\xbf"


def message(data: str) -> Event:
    return Event("message", data)


STREAMS = {
    "LF": (b"data: a\n\ndata: b\n\n", [message("a"), message("b")]),
    "CR LF": (b"data: a\r\n\r\ndata: b\r\n\r\n", [message("a"), message("b")]),
    "CR": (b"data: a\r\rdata: b\r\r", [message("a"), message("b")]),
    "ends mixed": (
        b"data: a\r\n\ndata: b\n\rdata: c\r\r\n",
        [message("a"), message("b"), message("c")],
    ),
    "a byte order mark": (BOM + b"data: a\n\n", [message("a")]),
    "a second mark is no mark": (BOM + BOM + b"data: a\n\ndata: b\n\n", [message("b")]),
    "an empty stream": (b"", []),
    "a mark alone": (BOM, []),
    "half a mark": (BOM[:2], []),
    "comments": (
        b": ping\n\n:\ndata: a\n: more\ndata: b\n\n",
        [COMMENT, COMMENT, COMMENT, message("a\nb")],
    ),
    "several lines": (b"data: a\ndata\ndata:\ndata: b\n\n", [message("a\n\n\nb")]),
    "one blank goes": (b"data:a\ndata:  b\n\n", [message("a\n b")]),
    "colons": (b"data: a: b\n\n", [message("a: b")]),
    "a name": (b"event: error\ndata: a\n\ndata: b\n\n", [Event("error", "a"), message("b")]),
    "a name without data": (b"event: error\n\ndata: b\n\n", [message("b")]),
    "the last name counts": (b"event: x\ndata: a\nevent\n\n", [message("a")]),
    "data with nothing": (b"data: \n\ndata\n\n", [message(""), message("")]),
    "other fields": (b"id: 7\nretry: 10\nweather: fine\ndata: a\n\n", [message("a")]),
    "no blank before a field": (b" data: a\n\ndata: b\n\n", [message("b")]),
    "characters of every length": ("data: é€😀\n\n".encode(), [message("é€😀")]),
    "no UTF-8": (b"data: a\xffb\n\n", [message("a�b")]),
    "a tail that is cut off": (b"data: a\n\ndata: b\n", [message("a")]),
}


@pytest.mark.parametrize(("stream", "events"), STREAMS.values(), ids=STREAMS.keys())
def test_a_stream_means_the_same_wherever_it_is_cut(stream: bytes, events: list[Event]) -> None:
    assert list(read_events([stream])) == events
    assert list(read_events(bytes([byte]) for byte in stream)) == events
    for first in range(len(stream) + 1):
        for second in range(first, len(stream) + 1):
            pieces = [stream[:first], stream[first:second], stream[second:]]
            assert list(read_events(pieces)) == events, pieces


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r", b"\r\r"])
def test_an_event_is_there_as_soon_as_its_blank_line_has_come(end: bytes) -> None:
    """With CR LF that is its CR: the LF that follows says nothing more."""

    def pieces() -> Iterator[bytes]:
        yield b"data: a" + end
        pytest.fail("The event was whole, and more was read.")

    assert next(read_events(pieces())) == message("a")


def test_an_event_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 100)
    fits = b"data: " + b"x" * 90 + b"\n\n"
    assert len(list(read_events([fits, fits]))) == 2
    for endless in (b"x" * 10, b"data: xxxxxxxx\n", b": ping\n"):
        with pytest.raises(EventTooLarge):
            list(read_events(endless for _ in range(1000)))
