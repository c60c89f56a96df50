"""A chat as a file, and as a page to be printed. All of it is streamed, however long it is."""

from collections.abc import Iterable, Iterator
from datetime import tzinfo
from io import StringIO
from itertools import chain
from uuid import UUID

from django.db import connection
from django.http import StreamingHttpResponse
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from ai_chat.conversations.entries import whole_path
from ai_chat.conversations.rendering import PAGE_SECONDS, render_missing
from ai_chat.data.chats import chat_as_json, chat_as_markdown, file_name
from ai_chat.models import Conversation
from ai_chat.pages.lookup import own_conversation
from ai_chat.sharing.read_only import read_only
from config.serving.capacity import exports
from credits.http import AuthenticatedHttpRequest
from credits.users.permissions import refuse_impersonated

#: Where the entries stand in the page; no title has it, since each is escaped.
HERE = SafeString("<!-- entries -->")
#: Characters of a piece of a stream.
PIECE = 32_768
#: Seconds of CPU for answers whose HTML is not kept: a whole chat has more of them than a page.
PRINT_SECONDS = 10 * PAGE_SECONDS


@require_safe
@exports
def markdown(request: AuthenticatedHttpRequest, conversation_id: UUID) -> StreamingHttpResponse:
    """What is shown of the chat, to be read."""
    conversation = _to_be_taken(request, conversation_id)
    kind = "text/markdown; charset=utf-8"
    return _file(conversation, chat_as_markdown(conversation), ending="md", kind=kind)


@require_safe
@exports
def as_json(request: AuthenticatedHttpRequest, conversation_id: UUID) -> StreamingHttpResponse:
    """The chat with all its versions, for programs."""
    conversation = _to_be_taken(request, conversation_id)
    kind = "application/json"
    return _file(conversation, chat_as_json(conversation), ending="json", kind=kind)


def _to_be_taken(request: AuthenticatedHttpRequest, conversation_id: UUID) -> Conversation:
    refuse_impersonated(request)
    return own_conversation(request, conversation_id)


def _file(
    conversation: Conversation, pieces: Iterable[str], *, ending: str, kind: str
) -> StreamingHttpResponse:
    name = f"{file_name(conversation)}.{ending}"
    disposition = content_disposition_header(as_attachment=True, filename=name) or "attachment"
    response = StreamingHttpResponse(_released(pieces), content_type=kind)
    response["Content-Disposition"] = disposition
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _released(pieces: Iterable[str]) -> Iterator[str]:
    """The pieces, joined to some of at least PIECE characters. Each is handed over after the
    connection went back to the pool: a slow reader keeps nobody waiting."""
    held = StringIO()
    for piece in pieces:
        held.write(piece)
        if held.tell() >= PIECE:
            _release()
            yield held.getvalue()
            held = StringIO()
    _release()
    yield held.getvalue()


def _release() -> None:
    if not connection.in_atomic_block:
        connection.close()


@require_safe
@exports
def printed(request: AuthenticatedHttpRequest, conversation_id: UUID) -> StreamingHttpResponse:
    """All entries of the path that is shown, on one page without anything to do."""
    conversation = own_conversation(request, conversation_id)
    context = {"conversation": conversation, "entries_here": HERE}
    page = render_to_string("ai_chat/print.html", context, request)
    head, _, tail = page.partition(HERE)
    # While it streams, the middleware that knows the reader's zone is done.
    entries = _printed_entries(conversation, timezone.get_current_timezone())
    return StreamingHttpResponse(_released(chain([head], entries, [tail])))


def _printed_entries(conversation: Conversation, zone: tzinfo) -> Iterator[str]:
    left = PRINT_SECONDS
    for batch in whole_path(conversation):
        ended = [each for each in batch if not each.is_running]
        left = render_missing(ended, seconds=left)
        entries = [read_only(each) for each in ended]
        with timezone.override(zone):
            shown = render_to_string("ai_chat/read_only.html#entries", {"entries": entries})
        yield shown
