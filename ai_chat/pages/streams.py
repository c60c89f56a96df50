"""A job as server-sent events for the chat page: `turn` (the request and an empty answer),
`thinking` (more of the model's reasoning, escaped), `block` (finished Markdown to append), `tail`
(the open end, replaced each time), `end` (the whole answer with its receipt)."""

import time
from collections.abc import Iterable, Iterator
from datetime import tzinfo

from django.db import connections
from django.http import HttpRequest, StreamingHttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from ai_chat.conversations.rendering import render_missing
from ai_chat.jobs.following import Following
from ai_chat.jobs.running import released_connection
from ai_chat.markdown import StreamRenderer
from ai_chat.models import ImageRequest, Turn
from ai_chat.pages.continuing import continuation_of
from ai_chat.providers.pieces import Piece, Reasoning, Text

#: A comment after this much silence: it keeps proxies from giving up, and finds lost viewers.
HEARTBEAT_SECONDS = 10.0
#: Characters of reasoning that a page is sent and shows.
REASONING_SHOWN = 20_000
#: The template of each kind's article, and what it calls the job.
ARTICLES = {
    Turn.kind: ("ai_chat/chat.html#turn", "turn"),
    ImageRequest.kind: ("ai_chat/images.html#in_chat", "made"),
}


def event(name: str, data: str = "") -> bytes:
    lines = "".join(f"data: {line}\n" for line in data.split("\n"))
    return f"event: {name}\n{lines}\n".encode()


def event_response(request: HttpRequest, job: Turn | ImageRequest) -> StreamingHttpResponse:
    """The job's events, from its beginning to its end. The headers go first: the meter moves before
    the first token comes.

    The article is made at once, from the job as it was given: what fails then still becomes an
    error page, and a stream that has begun holds no database connection while it waits.
    """
    response = StreamingHttpResponse(
        _events(request, job, _article(request, job), timezone.get_current_timezone()),
        content_type="text/event-stream; charset=utf-8",
    )
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    response["HX-Trigger"] = "credits:changed"
    if job.conversation_id:
        response["HX-Push-Url"] = reverse("conversation", args=[job.conversation_id])
    connections.close_all()
    return response


def _events(
    request: HttpRequest, job: Turn | ImageRequest, article: str, zone: tzinfo
) -> Iterator[bytes]:
    yield event("turn", article)
    if job.is_running:
        following = Following(job, heartbeat=HEARTBEAT_SECONDS)
        yield from render_pieces(following)
        if following.job is None:
            return  # Deleted meanwhile: who follows asks again, and learns that.
        # The middleware that knows the reader's zone is through: the answer was given long ago.
        with released_connection(), timezone.override(zone):
            article = _article(request, following.job)
    yield event("end", article)


def _article(request: HttpRequest, job: Turn | ImageRequest) -> str:
    template, name = ARTICLES[job.kind]
    render_missing([job])
    context = {name: job, "continuation": continuation_of(job)}
    return render_to_string(template, context, request)


def render_pieces(pieces: Iterable[Piece]) -> Iterator[bytes]:
    """The events of an answer while it is written; a comment after HEARTBEAT_SECONDS of silence."""
    renderer, tail = StreamRenderer(), ""
    room, sent = REASONING_SHOWN, time.monotonic()
    for piece in pieces:
        if isinstance(piece, Reasoning) and room:
            yield event("thinking", escape(piece.text[:room]))
            room -= len(piece.text[:room])
            sent = time.monotonic()
        elif isinstance(piece, Text):
            update = renderer.feed(piece.text)
            if update.finished:
                yield event("block", update.finished)
            if update.tail != tail:
                tail = update.tail
                yield event("tail", tail)
            sent = time.monotonic()
        elif time.monotonic() - sent >= HEARTBEAT_SECONDS:
            yield b": waiting\n\n"
            sent = time.monotonic()
