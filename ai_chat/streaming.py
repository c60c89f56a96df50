"""A turn as server-sent events for the chat page: `turn` (the message and an empty answer), `block`
(finished Markdown to append), `tail` (the open end, replaced each time), `end` (the whole answer
with its receipt)."""

import time
from collections.abc import Iterator
from uuid import UUID

from django.http import HttpRequest
from django.template.loader import render_to_string

from ai_chat.markdown import StreamRenderer
from ai_chat.models import Turn
from ai_chat.runner import Run, find_run, released_connection
from ai_chat.turns import reconcile

#: At most ten events a second per stream: about 5,000 a second are what one process can send.
FLUSH_SECONDS = 0.1
#: How often a viewer looks at the database when another process runs the turn.
POLL_SECONDS = 0.5
#: A comment after this much silence: it keeps proxies from giving up, and finds lost viewers.
HEARTBEAT_SECONDS = 10.0


def load_turn(turn_id: UUID) -> Turn | None:
    """A turn with what its article shows, as the ledger knows it."""
    turn = (
        Turn.objects.select_related("charge", "refund", "conversation").filter(pk=turn_id).first()
    )
    return reconcile(turn) if turn else None


def event(name: str, data: str = "") -> bytes:
    lines = "".join(f"data: {line}\n" for line in data.split("\n"))
    return f"event: {name}\n{lines}\n".encode()


def turn_events(request: HttpRequest, turn_id: UUID) -> Iterator[bytes]:
    """The events of a turn from its beginning to its end, whichever process runs it. Holds no
    database connection while it waits."""
    running, article = _article(request, turn_id)
    yield event("turn", article)
    if running:
        run = find_run(turn_id)
        yield from _render(_follow_run(run) if run else _follow_database(turn_id))
        _, article = _article(request, turn_id)
    yield event("end", article)


def _article(request: HttpRequest, turn_id: UUID) -> tuple[bool, str]:
    with released_connection():
        turn = load_turn(turn_id)
        if turn is None:
            return False, ""
        html = render_to_string("ai_chat/chat.html#turn", {"turn": turn}, request)
        return turn.is_running, html


def wait_for_end(turn_id: UUID) -> None:
    """Returns once the turn has ended; for pages without JavaScript."""
    run = find_run(turn_id)
    for _ in _follow_run(run) if run else _follow_database(turn_id):
        pass


def _follow_run(run: Run) -> Iterator[str]:
    """Text as it comes, at most every FLUSH_SECONDS; an empty string when there is none."""
    seen, ended = 0, False
    while not ended:
        text, seen, ended = run.wait(seen, HEARTBEAT_SECONDS)
        yield text
        if not ended:
            time.sleep(FLUSH_SECONDS)


def _follow_database(turn_id: UUID) -> Iterator[str]:
    """The same, read from the database: the turn runs in another process, or did."""
    seen = 0
    while True:
        with released_connection():
            turn = load_turn(turn_id)
        answer = turn.answer if turn else ""
        yield answer[seen:]
        seen = max(seen, len(answer))
        if turn is None or not turn.is_running:
            return
        time.sleep(POLL_SECONDS)


def _render(texts: Iterator[str]) -> Iterator[bytes]:
    renderer = StreamRenderer()
    sent = time.monotonic()
    for text in texts:
        if text:
            update = renderer.feed(text)
            if update.finished:
                yield event("block", update.finished)
            yield event("tail", update.tail)
            sent = time.monotonic()
        elif time.monotonic() - sent >= HEARTBEAT_SECONDS:
            yield b": waiting\n\n"
            sent = time.monotonic()
