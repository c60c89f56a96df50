"""The reader on every stream of `streams/`: whole, cut and split at every byte (usually at a sample
of them), and with its events repeated, dropped and moved. Whatever comes, the ending is one of the
table's."""

from collections.abc import Iterable, Iterator

import pytest

from ai_chat.providers.errors import ProviderError
from ai_chat.providers.pieces import Alive, End, Finish, Piece, Reasoning, Text, ToolCall, Usage
from ai_chat.providers.reading import read_answer
from credits.reasons import Reason
from tests.ai_chat.providers.streams import ORIGINS, Answer, Stream, load_streams
from tests.strength import usually

STREAMS = load_streams()
PROVIDERS = {
    *("OpenAI", "Azure OpenAI", "OpenRouter", "DeepSeek", "Mistral", "Gemini"),
    *("vLLM", "Ollama", "LM Studio", "llama.cpp"),
}
FURTHER = (
    b"",
    b": still here\n\n",
    b"data: {\n\n",
    b"event: ping\ndata: {}\n\n",
    b'data: {"error": {"message": "No."}}\n\n',
    b'data: {"choices": [], "usage": {"prompt_tokens": -1}}\n\n',
    b"data: [DONE]\n\n",
)
pytestmark = pytest.mark.parametrize("stream", STREAMS, ids=[stream.name for stream in STREAMS])


def read(stream: Stream, chunks: Iterable[bytes]) -> Answer:
    """What the chunks amount to. Fails where the reader raises anything but a ProviderError, or
    goes on after the end."""
    pieces: list[Piece] = []
    ending: Finish | Reason | None = None
    try:
        for piece in read_answer(chunks, tools_offered=stream.tools_offered):
            assert ending is None or isinstance(piece, Usage), f"{piece} came after the end."
            if isinstance(piece, End):
                ending = piece.finish
            pieces.append(piece)
    except ProviderError as error:
        if ending is not None:
            pytest.fail(f"{error} was raised after the end.")
        ending = error.reason
    assert ending is not None, "The pieces ended without End."
    return Answer(
        text="".join(piece.text for piece in pieces if isinstance(piece, Text)),
        reasoning="".join(piece.text for piece in pieces if isinstance(piece, Reasoning)),
        tool_calls=joined([piece for piece in pieces if isinstance(piece, ToolCall)]),
        usage=next((piece for piece in reversed(pieces) if isinstance(piece, Usage)), None),
        ending=ending,
    )


def joined(pieces: list[ToolCall]) -> tuple[ToolCall, ...]:
    """The calls in their order, each with all its arguments."""
    calls: dict[int, ToolCall] = {}
    for piece in pieces:
        call = calls.get(piece.position, ToolCall(piece.position, "", "", ""))
        calls[piece.position] = ToolCall(
            piece.position,
            call.id + piece.id,
            call.name + piece.name,
            call.arguments + piece.arguments,
        )
    return tuple(calls[position] for position in sorted(calls))


def places_in(stream: Stream) -> range:
    """Where the body is cut: usually at each seventh byte, other ones in each stream."""
    step = usually(7, full=1)
    return range(len(stream.body) % step, len(stream.body), step)


def events_of(stream: Stream) -> list[bytes]:
    """The events with the blank lines that end them; a whole body is one event."""
    return [event + b"\n\n" for event in stream.body.split(b"\n\n") if event.strip()]


def test_a_stream_says_where_it_comes_from(stream: Stream) -> None:
    assert stream.origin in ORIGINS
    assert stream.provider in PROVIDERS
    assert stream.source.startswith("https://") or stream.origin == "recorded"


def test_a_stream_gives_what_its_file_expects(stream: Stream) -> None:
    assert read(stream, [stream.body]) == stream.expected


def test_signs_of_life_come_before_the_first_piece(stream: Stream) -> None:
    if stream.alive:
        pieces = read_answer([stream.body], tools_offered=stream.tools_offered)
        assert next(pieces) == Alive()


def test_a_stream_cut_at_any_byte_ends_as_the_table_says(stream: Stream) -> None:
    expected = stream.expected
    for length in places_in(stream):
        answer = read(stream, [stream.body[:length]])
        assert expected.text.startswith(answer.text), length
        assert expected.reasoning.startswith(answer.reasoning), length
        if isinstance(answer.ending, Finish):
            # The reason of the end had come: nothing but usage is missing.
            assert answer._replace(usage=expected.usage) == expected, length


def test_a_stream_means_the_same_in_pieces_of_any_size(stream: Stream) -> None:
    assert read(stream, (bytes([byte]) for byte in stream.body)) == stream.expected
    for length in places_in(stream):
        pieces = [stream.body[:length], stream.body[length:]]
        assert read(stream, pieces) == stream.expected, length


def test_a_stream_means_the_same_with_other_line_ends_and_a_byte_order_mark(
    stream: Stream,
) -> None:
    assert read(stream, [stream.body.replace(b"\n", b"\r\n")]) == stream.expected
    assert read(stream, [b"\xef\xbb\xbf" + stream.body]) == stream.expected


def test_events_that_are_repeated_dropped_or_moved_end_as_the_table_says(stream: Stream) -> None:
    events = events_of(stream)
    for index, event in enumerate(events):
        others = events[:index] + events[index + 1 :]
        dropped = read(stream, others)
        if event.startswith(b":"):
            assert dropped == stream.expected
        for place in range(len(events)):
            read(stream, [*others[:place], event, *others[place:]])
            read(stream, [*events[:place], event, *events[place:]])


def test_what_follows_the_end_cannot_undo_it(stream: Stream) -> None:
    """What comes after the reason of the end, and before the connection breaks, changes nothing.
    Text would: gateways to Gemini say `stop` in each chunk."""
    if isinstance(stream.expected.ending, Reason) or stream.body.startswith(b"{"):
        return
    events = events_of(stream)
    end = first_end(stream, events)
    for further in FURTHER:
        answer = read(stream, broken([*events[:end], further]))
        assert answer._replace(usage=stream.expected.usage) == stream.expected, further


def first_end(stream: Stream, events: list[bytes]) -> int:
    """How many events come until the end has been said."""
    return next(
        count
        for count in range(1, len(events) + 1)
        if isinstance(read(stream, events[:count]).ending, Finish)
    )


def broken(chunks: list[bytes]) -> Iterator[bytes]:
    """The chunks of a connection that is reset after the last of them."""
    yield from chunks
    raise ConnectionResetError
