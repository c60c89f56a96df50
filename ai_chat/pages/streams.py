"""A job as server-sent events for the chat page: `turn` (the request and an empty answer),
`thinking` (more of the model's reasoning, escaped), `clock` (the seconds for which it has been
thinking), `thought` (how long it thought, in words), `block` (finished Markdown to append), `tail`
(the open end, replaced each time), `count` (what an answer that is paid by tokens has cost so far),
`end` (the whole answer with its receipt)."""

import time
from collections.abc import Iterable, Iterator
from datetime import tzinfo

from django.contrib.auth import SESSION_KEY, get_user
from django.db import connections
from django.http import HttpRequest, StreamingHttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from ai_chat.attachments.sending import load_files
from ai_chat.conversations.path import add_versions
from ai_chat.conversations.rendering import render_missing
from ai_chat.conversations.thinking import duration
from ai_chat.conversations.turns import Answering
from ai_chat.jobs.following import Following
from ai_chat.jobs.running import Run, released_connection
from ai_chat.markdown import StreamRenderer
from ai_chat.models import ImageRequest, Turn
from ai_chat.pages.continuing import continuation_of
from ai_chat.providers.pieces import Piece, Reasoning, Text
from credits.amounts import as_words, with_unit
from credits.models import TokenPrice

#: A comment after this much silence keeps proxies from giving up, finds lost viewers, and tells the
#: page that the connection lives (SILENCE in static/ai_chat/events.js is more than two of them).
HEARTBEAT_SECONDS = 5.0
#: Characters of reasoning that a page is sent and shows.
REASONING_SHOWN = 20_000
#: A receipt counts on at most twice a second.
COUNT_SECONDS = 0.5
#: The template of each kind's article, and what it calls the job.
ARTICLES = {
    Turn.kind: ("ai_chat/turn.html", "turn"),
    ImageRequest.kind: ("ai_chat/images.html#in_chat", "made"),
}


def wants_events(request: HttpRequest) -> bool:
    """Whether a script asks, which follows the job."""
    return request.headers.get("Accept", "") == "text/event-stream"


def event(name: str, data: str = "") -> bytes:
    lines = "".join(f"data: {line}\n" for line in data.split("\n"))
    return f"event: {name}\n{lines}\n".encode()


def event_response(
    request: HttpRequest, job: Turn | ImageRequest, *, has_versions: bool = True
) -> StreamingHttpResponse:
    """The job's events, from its beginning to its end. The headers go first: the meter moves before
    the first token comes. Without `has_versions` it is known that there are no others beside it
    when it begins.

    The article is made at once, from the job as it was given: what fails then still becomes an
    error page, and a stream that has begun holds no database connection while it waits.
    """
    price = job.charge.price if job.is_running else None
    article = _article(request, job, has_versions=has_versions)
    response = StreamingHttpResponse(
        _events(request, job, article, price, timezone.get_current_timezone()),
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
    request: HttpRequest,
    job: Turn | ImageRequest,
    article: str,
    price: TokenPrice | None,
    zone: tzinfo,
) -> Iterator[bytes]:
    yield event("turn", article)
    if job.is_running:
        following = Following(job, heartbeat=HEARTBEAT_SECONDS)
        try:
            events = render_pieces(_while_signed_in(request, following))
            yield from _counting(_timing(events, following.run), following.run, price)
        except SignedOut:
            return  # As below.
        if following.job is None:
            return  # Deleted meanwhile: who follows asks again, and learns that.
        # The middleware that knows the reader's zone is through: the answer was given long ago.
        with released_connection(), timezone.override(zone):
            article = _article(request, following.job)
    yield event("end", article)


def _counting(
    events: Iterable[bytes], run: Run[Turn | ImageRequest] | None, price: TokenPrice | None
) -> Iterator[bytes]:
    """The events, and between them what the answer has cost so far. Where another process does the
    job nobody here knows that."""
    shown, due = "", 0.0
    for each in events:
        yield each
        if run is None or price is None or time.monotonic() < due:
            continue
        due = time.monotonic() + COUNT_SECONDS
        tokens = run.work.so_far()
        cost = as_words(price.about(tokens)) if tokens else ""
        if cost != shown:
            yield event("count", f"about {with_unit(cost)} so far")
            shown = cost


def _timing(events: Iterable[bytes], run: Run[Turn | ImageRequest] | None) -> Iterator[bytes]:
    """The events, and between them for how long the model thinks, once, and how long it thought.
    Where another process does the job nobody here knows that."""
    clock, is_over = False, False
    for each in events:
        yield each
        thinking = run.work.thinking if run and isinstance(run.work, Answering) else None
        if thinking is None or thinking.seconds is None or is_over:
            continue
        if is_over := thinking.is_over:
            yield event("thought", duration(thinking.seconds))
        elif not clock:
            clock = True
            yield event("clock", f"{thinking.seconds:.1f}")


def _article(request: HttpRequest, job: Turn | ImageRequest, *, has_versions: bool = True) -> str:
    template, name = ARTICLES[job.kind]
    render_missing([job])
    if has_versions and job.conversation_id:
        add_versions(job.conversation_id, [job])
    if isinstance(job, Turn):
        load_files([job])
    context = {name: job, "continuation": continuation_of(job)}
    return render_to_string(template, context, request)


class SignedOut(Exception):
    """The session that a stream was asked for with has ended."""


def _while_signed_in(request: HttpRequest, pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The pieces, as long as their reader could ask for them anew: looks every HEARTBEAT_SECONDS.
    Raises SignedOut."""
    looked = time.monotonic()
    for piece in pieces:
        if time.monotonic() - looked >= HEARTBEAT_SECONDS:
            with released_connection():
                if not _is_signed_in(request):
                    raise SignedOut
            looked = time.monotonic()
        yield piece


def _is_signed_in(request: HttpRequest) -> bool:
    """Whether the request's session, read anew, still is its user's; True for a reader who has no
    session of ours, but a token of Clerk's, which was checked when the stream began."""
    key = request.session.session_key
    if SESSION_KEY not in request.session or key is None:
        return True
    now = HttpRequest()
    now.session = type(request.session)(key)
    return get_user(now).pk == request.user.pk


def render_pieces(pieces: Iterable[Piece]) -> Iterator[bytes]:
    """The events of an answer while it is written; a comment after HEARTBEAT_SECONDS without any,
    also while what comes changes nothing that is shown."""
    renderer, tail = StreamRenderer(), ""
    room, sent = REASONING_SHOWN, time.monotonic()
    for piece in pieces:
        events = []
        if isinstance(piece, Reasoning) and room:
            events.append(event("thinking", escape(piece.text[:room])))
            room -= len(piece.text[:room])
        elif isinstance(piece, Text):
            update = renderer.feed(piece.text)
            if update.finished:
                events.append(event("block", update.finished))
            if update.tail != tail:
                tail = update.tail
                events.append(event("tail", tail))
        if not events and time.monotonic() - sent >= HEARTBEAT_SECONDS:
            events.append(b": waiting\n\n")
        if events:
            sent = time.monotonic()
        yield from events
