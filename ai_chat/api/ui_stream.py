"""A turn as the AI SDK's UI message stream, version 1: server-sent events of JSON parts, `[DONE]`
at the end. https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol"""

import json
import time
from collections.abc import Iterable, Iterator
from typing import Any

from django.db import connections

from ai_chat.api.problems import refund_sentence
from ai_chat.api.receipts import chat_receipt
from ai_chat.models import Turn
from ai_chat.runner import Run, find_run, released_connection
from ai_chat.streaming import FLUSH_SECONDS
from ai_chat.turns import load_turn

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
    """The parts of a turn. The server closes it when the client is gone, also before the first
    part: then the turn is stopped, because nobody else is waiting for it."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._run: Run | None = find_run(turn.pk) if turn.is_running else None
        self._parts = self._make()

    def __iter__(self) -> Iterator[bytes]:
        return self._parts

    def close(self) -> None:
        """Stops the turn if it has not ended; once it has, nobody hears this."""
        if self._run:
            self._run.stop()

    def _make(self) -> Iterator[bytes]:
        # Before the first wait: a stream that waits for tokens holds no connection.
        connections.close_all()
        turn_id = str(self._turn.pk)
        about = {
            "conversationId": str(self._turn.conversation_id),
            "model": self._turn.model,
        }
        yield part("start", messageId=turn_id, messageMetadata=about)
        yield part("start-step")
        if self._run:
            yield from _text(turn_id, follow(self._run))
        with released_connection():
            turn = load_turn(self._turn.pk)
            ending = _ending(turn) if turn else [part("error", errorText="It was deleted.")]
        if turn and not self._run:
            # As it was saved: it may have ended before we looked for its run, and the turn at hand
            # is still as it was charged.
            yield from _text(turn_id, [turn.answer])
        yield from ending
        yield DONE


def _text(part_id: str, texts: Iterable[str]) -> Iterator[bytes]:
    begun = False
    for text in texts:
        if not text:
            yield HEARTBEAT
            continue
        if not begun:
            begun = True
            yield part("text-start", id=part_id)
        yield part("text-delta", id=part_id, delta=text)
    if begun:
        yield part("text-end", id=part_id)


def follow(run: Run) -> Iterator[str]:
    """Text as it comes, at most ten times a second; an empty string when there was none for
    HEARTBEAT_SECONDS."""
    seen, ended = 0, False
    while not ended:
        text, seen, ended = run.wait(seen, HEARTBEAT_SECONDS)
        yield text
        if not ended:
            time.sleep(FLUSH_SECONDS)


def _ending(turn: Turn) -> list[bytes]:
    """How it ended: `finish`, `abort` for a stop, or `error`; each after what it cost."""
    if turn.is_running:  # Its end could not be saved: the lease decides.
        return [
            part("error", errorText="The answer was lost. Its credits come back by themselves.")
        ]
    receipt = chat_receipt(turn)
    if turn.failure and turn.state == Turn.State.FAILED:
        sentence = refund_sentence(turn.get_failure_display(), receipt["receipt"]["refunded"])
        return [
            part("message-metadata", messageMetadata=receipt),
            part("error", errorText=sentence),
        ]
    finish_step = part("finish-step")
    if turn.state == Turn.State.STOPPED:
        return [finish_step, part("message-metadata", messageMetadata=receipt), part("abort")]
    return [finish_step, part("finish", finishReason="stop", messageMetadata=receipt)]
