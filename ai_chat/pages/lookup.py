"""What a request names: a conversation, an entry or a folder, if it belongs to whoever asks; and
the place in a list."""

from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from django.shortcuts import get_object_or_404
from django.urls import Resolver404, resolve

from ai_chat.conversations.path import Entry
from ai_chat.models import Conversation, Folder, ImageRequest, Turn
from config.pagination import InvalidCursor, key_of
from config.text import as_uuid
from credits.http import AuthenticatedHttpRequest


def own_conversation(request: AuthenticatedHttpRequest, conversation_id: UUID) -> Conversation:
    """Raises Http404."""
    return get_object_or_404(Conversation, pk=conversation_id, user_id=request.user.pk)


def id_of_page(request: AuthenticatedHttpRequest) -> UUID | None:
    """The id of the conversation whose page asks by htmx, if it is the page of one."""
    with suppress(Resolver404):
        page = resolve(request.htmx.current_url_abs_path or "/")
        conversation_id: UUID | None = page.kwargs.get("conversation_id")
        return conversation_id
    return None


def conversation_of_page(request: AuthenticatedHttpRequest) -> Conversation | None:
    """The same where it is a conversation of whoever asks."""
    key = id_of_page(request)
    own = Conversation.objects.filter(pk=key, user_id=request.user.pk) if key else None
    return own.first() if own else None


def own_entry(conversation: Conversation | None, name: str) -> Entry | None:
    """The entry of a conversation with this id, which may be anything."""
    key = as_uuid(name)
    if key is None or conversation is None:
        return None
    own = {"pk": key, "conversation": conversation}
    return Turn.objects.filter(**own).first() or ImageRequest.objects.filter(**own).first()


def own_folder(request: AuthenticatedHttpRequest, name: str) -> Folder | None:
    """The user's folder with this id, which may be anything."""
    key = as_uuid(name)
    return Folder.objects.filter(user_id=request.user.pk, pk=key).first() if key else None


def own_folder_or_404(request: AuthenticatedHttpRequest, folder_id: UUID) -> Folder:
    return get_object_or_404(Folder, pk=folder_id, user_id=request.user.pk)


def begins_temporary_chat(request: AuthenticatedHttpRequest) -> bool:
    """Whether the page that asks by htmx begins a temporary chat."""
    return "temporary" in parse_qs(urlsplit(request.htmx.current_url_abs_path or "").query)


def place_in_list(request: AuthenticatedHttpRequest, kinds: tuple[type, ...]) -> dict[str, Any]:
    """What `paginate` takes: no place if there is none, or it is not right."""
    for name, place in (("before", "older_than"), ("after", "newer_than")):
        with suppress(InvalidCursor):
            if cursor := request.GET.get(name):
                return {place: key_of(cursor, *kinds)}
    return {}
