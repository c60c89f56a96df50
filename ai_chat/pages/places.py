"""Which page asks by htmx."""

from contextlib import suppress
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from django.urls import Resolver404, resolve

from ai_chat.models import Conversation
from credits.http import AuthenticatedHttpRequest


def place_of_page(request: AuthenticatedHttpRequest) -> UUID | None:
    """The id of the conversation whose page asks by htmx, if it is the page of one."""
    with suppress(Resolver404):
        page = resolve(request.htmx.current_url_abs_path or "/")
        place: UUID | None = page.kwargs.get("conversation_id")
        return place
    return None


def conversation_of_page(request: AuthenticatedHttpRequest) -> Conversation | None:
    """The same where it is a conversation of whoever asks."""
    place = place_of_page(request)
    own = Conversation.objects.filter(pk=place, user_id=request.user.pk) if place else None
    return own.first() if own else None


def begins_temporary_chat(request: AuthenticatedHttpRequest) -> bool:
    """Whether the page that asks by htmx begins a temporary chat."""
    return "temporary" in parse_qs(urlsplit(request.htmx.current_url_abs_path or "").query)
