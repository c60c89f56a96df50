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
from ai_chat.turns import load_turn

#: At most ten events a second per stream: about 5,000 a second are what one process can send.
FLUSH_SECONDS = 0.1
#: How often a viewer looks at the database when another process runs the turn.
POLL_SECONDS = 0.5
#: A comment after this much silence: it keeps proxies from giving up, and finds lost viewers.
HEARTBEAT_SECONDS = 10.0


def event(name: str, data: str = "") -> bytes:
    lines = "".join(f"data: {line}\n" for line in data.split("\n"))
    return f"event: {name}\n{lines}\n".encode()


def turn_events(request: HttpRequest, turn: Turn) -> Iterator[bytes]:
    """The events of a turn from its beginning to its end, whichever process runs it.

    The article is made at once, from the turn as it was given: what fails then still becomes an
    error page, and a stream that has begun holds no database connection while it waits.
    """
    return _events(request, turn, _article(request, turn))


def _events(request: HttpRequest, turn: Turn, article: str) -> Iterator[bytes]:
    yield event("turn", article)
    if turn.is_running:
        run = find_run(turn.pk)
        yield from _render(_follow_run(run) if run else _follow_database(turn.pk))
        with released_connection():
            ended = load_turn(turn.pk)
            article = _article(request, ended) if ended else ""
    yield event("end", article)


def _article(request: HttpRequest, turn: Turn) -> str:
    return render_to_string("ai_chat/chat.html#turn", {"turn": turn}, request)


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
    tail = ""
    sent = time.monotonic()
    for text in texts:
        if text:
            update = renderer.feed(text)
            if update.finished:
                yield event("block", update.finished)
            if update.tail != tail:
                tail = update.tail
                yield event("tail", tail)
            sent = time.monotonic()
        elif time.monotonic() - sent >= HEARTBEAT_SECONDS:
            yield b": waiting\n\n"
            sent = time.monotonic()
