"""Lists of chats, and searching them."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_safe

from ai_chat.conversations import lists, search
from ai_chat.conversations.lists import chats_page, folders_of
from ai_chat.conversations.search import (
    MATCHES_SHOWN,
    InvalidSearch,
    by_chat,
    find_matches,
)
from ai_chat.pages.lookup import id_of_page, own_folder, place_in_list
from config.text import is_blank
from credits.http import AuthenticatedHttpRequest, wants_fragment

#: Of a search in the rail.
MATCHES_IN_RAIL = 10


@require_GET
def conversations(request: AuthenticatedHttpRequest) -> HttpResponse:
    """The list in the rail: searched with `q`, and going on behind `before`. Without a script there
    are pages for both."""
    if not wants_fragment(request):
        page = "chat-search" if request.GET.get("q") else "all-chats"
        return redirect(reverse(page, query=request.GET))
    context: dict[str, Any] = {"current": id_of_page(request)}
    if text := _text_of(request):
        context |= _searched(request, text, size=MATCHES_IN_RAIL)
        return render(request, "ai_chat/conversations.html#list", context)
    place = place_in_list(request, lists.KEY)
    context["rail"] = lists.rail(user_id=request.user.pk, older_than=place.get("older_than"))
    if "older_than" not in place:
        return render(request, "ai_chat/conversations.html#list", context)
    context["under"] = lists.period_of(place["older_than"][0])
    return render(request, "ai_chat/conversations.html#rows", context)


@require_safe
def chat_search(request: AuthenticatedHttpRequest) -> HttpResponse:
    """What a search finds, place by place."""
    text = _text_of(request)
    context = _searched(request, text) if text else {}
    status = 400 if context.get("search_problem") else 200
    return render(request, "ai_chat/search.html", context, status=status)


def _searched(
    request: AuthenticatedHttpRequest, text: str, *, size: int = MATCHES_SHOWN
) -> dict[str, Any]:
    """What a search shows."""
    place = place_in_list(request, search.KEY)
    try:
        page = find_matches(user_id=request.user.pk, search=text, size=size, **place)
    except InvalidSearch as error:
        return {"search": text, "search_problem": str(error)}
    return {"search": text, "page": page, "chats": by_chat(page.rows)}


@require_safe
def all_chats(request: AuthenticatedHttpRequest) -> HttpResponse:
    """All chats, those of a folder, or the archived ones, to be read and to be chosen from."""
    return list_page(request)


def list_page(request: AuthenticatedHttpRequest, *, status: int = 200, **more: str) -> HttpResponse:
    """The page of a list of chats, with what else its template shows."""
    folder = own_folder(request, request.GET.get("folder", ""))
    archived = request.GET.get("in") == "archived" and not folder
    place = place_in_list(request, lists.KEY)
    context = {
        "page": chats_page(user_id=request.user.pk, folder=folder, archived=archived, **place),
        "folder": folder,
        "archived": archived,
        "folders": folders_of(user_id=request.user.pk),
        **more,
    }
    return render(request, "ai_chat/all.html", context, status=status)


def _text_of(request: AuthenticatedHttpRequest) -> str:
    """What is searched for; empty for nothing that can be seen."""
    text = request.GET.get("q", "").replace("\x00", "").strip()
    return "" if is_blank(text) else text
