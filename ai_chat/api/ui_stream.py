"""A turn as the AI SDK's UI message stream, version 1: server-sent events of JSON parts, `[DONE]`
at the end. https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from django.db import connections

from ai_chat.api.problems import refund_sentence
from ai_chat.api.receipts import chat_receipt, finish_reason
from ai_chat.jobs.ending import load_job
from ai_chat.jobs.following import Following
from ai_chat.jobs.running import released_connection
from ai_chat.models import Turn
from ai_chat.providers.pieces import Piece, Reasoning, Text

HEADERS = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
    "x-vercel-ai-ui-message-stream": "v1",
}
#: Seconds of silence before a comment; a client that is gone is found when we write to it.
HEARTBEAT_SECONDS = 1.0
HEARTBEAT = b": waiting\n\n"
DONE = b"data: [DONE]\n\n"


def part(kind: str, **members: Any) -> bytes:
    return f"data: {json.dumps({'type': kind, **members})}\n\n".encode()


class UIMessageStream:
    """The parts of a turn, from its beginning. The server closes it when the client is gone, also
    before the first part: then the turn is stopped if the client wants that (`stops`), because
    nobody else is waiting for it."""

    def __init__(self, turn: Turn, *, stops: bool = True, resumed: bool = False) -> None:
        self.turn = turn
        self._stops = stops and not resumed
        self._following = Following(turn, heartbeat=HEARTBEAT_SECONDS)
        # Who charges is who streams: what does not run here has ended, unless another process
        # does it and this stream was resumed.
        self._follows = bool(self._following.run) or resumed
        self._parts = self._make()

    def __iter__(self) -> Iterator[bytes]:
        return self._parts

    def close(self) -> None:
        """Stops the turn if it has not ended; once it has, nobody hears this."""
        if self._following.run and self._stops:
            self._following.run.stop()

    def _make(self) -> Iterator[bytes]:
        # Before the first wait: a stream that waits for tokens holds no connection.
        connections.close_all()
        turn_id = str(self.turn.pk)
        about = {"conversationId": str(self.turn.conversation_id), "model": self.turn.model}
        yield part("start", messageId=turn_id, messageMetadata=about)
        yield part("start-step")
        if self._follows:
            yield from _contents(turn_id, self._following)
            turn = self._following.job
        else:
            with released_connection():
                turn = load_job(Turn, pk=turn_id)
            saved: list[Piece] = [Reasoning(turn.reasoning), Text(turn.answer)] if turn else []
            yield from _contents(turn_id, saved)
        with released_connection():
            yield from _ending(turn) if turn else [part("error", errorText="It was deleted.")]
        yield DONE


def _contents(turn_id: str, pieces: Iterable[Piece]) -> Iterator[bytes]:
    """Reasoning and text, each stretch of one kind as a part with an id of its own."""
    kind, part_id = "", ""
    for number, piece in enumerate(pieces):
        if not isinstance(piece, Text | Reasoning):
            yield HEARTBEAT
        elif piece.text:
            if kind != (new := "text" if isinstance(piece, Text) else "reasoning"):
                if kind:
                    yield part(f"{kind}-end", id=part_id)
                kind, part_id = new, f"{turn_id}-{number}"
                yield part(f"{kind}-start", id=part_id)
            yield part(f"{kind}-delta", id=part_id, delta=piece.text)
    if kind:
        yield part(f"{kind}-end", id=part_id)


def _ending(turn: Turn) -> list[bytes]:
    """How it ended: `finish`, `abort` for a stop, or `error`; each after what it cost."""
    if turn.is_running:  # Its end could not be saved: the lease decides.
        lost = "The answer was lost. Its credits come back by themselves."
        return [part("error", errorText=lost)]
    receipt = chat_receipt(turn)
    if turn.failure and turn.state == Turn.State.FAILED:
        return [
            part("message-metadata", messageMetadata=receipt),
            part("error", errorText=refund_sentence(turn)),
        ]
    finish_step = part("finish-step")
    if turn.state == Turn.State.STOPPED:
        return [finish_step, part("message-metadata", messageMetadata=receipt), part("abort")]
    return [finish_step, part("finish", finishReason=finish_reason(turn), messageMetadata=receipt)]
