"""What is done with chats, one or many, and with folders: renamed, filed, deleted."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.template.defaultfilters import pluralize
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST

from ai_chat.conversations.filing import (
    CHANGES,
    InvalidName,
    change_chats,
    delete_chats,
    delete_folder,
    keep_chat,
    make_folder,
    move_chats,
    own_chats,
    rename_folder,
)
from ai_chat.conversations.services import (
    InvalidTitle,
    delete_conversation,
    rename_conversation,
)
from ai_chat.jobs.errors import TurnRunning
from ai_chat.models import Folder
from ai_chat.pages.chat import page
from ai_chat.pages.finding import list_page
from ai_chat.pages.lookup import own_conversation, own_folder_or_404
from ai_chat.sharing.services import end_without_chat, links_of
from config.text import as_uuid
from credits.http import AuthenticatedHttpRequest

#: What is said of a change.
DONE = {
    "pin": "pinned",
    "unpin": "not pinned any more",
    "archive": "archived",
    "unarchive": "back among your chats",
}
#: Chats that are changed at once.
MOST = 200


@require_POST
def change(request: AuthenticatedHttpRequest, conversation_id: UUID) -> HttpResponse:
    """Pins, archives, moves or keeps a chat, as the button says (`do`)."""
    conversation = own_conversation(request, conversation_id)
    if request.POST.get("do") == "keep":
        keep_chat(conversation=conversation)
        messages.success(request, "This chat is kept now, and listed.")
    else:
        _change(request, [conversation.pk])
    if request.POST.get("do") == "archive":
        return redirect("chat")
    return redirect("conversation", conversation.pk)


@require_POST
def rename(request: AuthenticatedHttpRequest, conversation_id: UUID) -> HttpResponse:
    conversation = own_conversation(request, conversation_id)
    title = request.POST.get("title", "")
    try:
        rename_conversation(conversation=conversation, title=title)
    except InvalidTitle as error:
        return page(request, conversation, status=400, title_problem=str(error), typed_title=title)
    return redirect("conversation", conversation.pk)


@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: AuthenticatedHttpRequest, conversation_id: UUID) -> HttpResponse:
    """Asks first; the POST deletes."""
    conversation = own_conversation(request, conversation_id)
    links = links_of(user_id=request.user.pk, chats=[conversation.pk])
    if request.method != "POST":
        context = {"conversation": conversation, "links": len(links)}
        return render(request, "ai_chat/delete.html", context)
    try:
        delete_conversation(conversation=conversation)
    except TurnRunning:
        messages.error(request, "An answer is still being written here. Stop it first.")
        return redirect("conversation", conversation.pk)
    if request.POST.get("end_links"):
        end_without_chat(links)
    messages.success(request, "The chat is deleted. Its charges stay in your usage.")
    return redirect("chat")


@require_POST
def change_many(request: AuthenticatedHttpRequest) -> HttpResponse:
    """The same for the chats that are chosen in a list. What deletes asks first."""
    ids = _chosen(request.POST)
    if not ids:
        messages.error(request, "Choose the chats first.")
    elif request.POST.get("do") == "delete":
        return _delete_many(request, ids)
    else:
        _change(request, ids)
    return redirect(_back(request))


def _delete_many(request: AuthenticatedHttpRequest, ids: Sequence[UUID]) -> HttpResponse:
    links = links_of(user_id=request.user.pk, chats=ids)
    if not request.POST.get("sure"):
        chats = own_chats(user_id=request.user.pk, ids=ids).order_by("-active_at")
        context = {"chats": chats, "links": len(links), "back": _back(request)}
        return render(request, "ai_chat/delete_many.html", context)
    deleted, running = delete_chats(user_id=request.user.pk, ids=ids)
    if request.POST.get("end_links"):
        end_without_chat(links)
    if deleted:
        messages.success(request, f"{_count(deleted)} deleted. What they cost stays in your usage.")
    if running:
        messages.error(
            request,
            f"{_count(running)} still there: an answer is being written. Stop it first.",
        )
    return redirect(_back(request))


def _change(request: AuthenticatedHttpRequest, ids: Sequence[UUID]) -> None:
    """Changes chats as the form's button says, and says so; nothing for another button."""
    do, user_id = request.POST.get("do", ""), request.user.pk
    if do == "move":
        name = request.POST.get("folder", "")
        try:
            folder = make_folder(user_id=user_id, name=name) if name.strip() else None
        except InvalidName as error:
            messages.error(request, str(error))
            return
        many = move_chats(user_id=user_id, ids=ids, folder=folder)
        where = f"moved to “{folder.name}”" if folder else "in no folder now"
        messages.success(request, f"{_count(many)} {where}.")
    elif do in CHANGES:
        many = change_chats(user_id=user_id, ids=ids, change=do)
        messages.success(request, f"{_count(many)} {DONE[do]}.")


def _count(many: int) -> str:
    return f"{many} chat{pluralize(many)} {pluralize(many, 'is,are')}"


def _chosen(form: QueryDict) -> list[UUID]:
    return [*filter(None, map(as_uuid, form.getlist("chat")[:MOST]))]


def _back(request: AuthenticatedHttpRequest) -> str:
    """The list that the form belongs to."""
    back: str = request.POST.get("back", "")
    first = reverse("all-chats")
    is_ours = url_has_allowed_host_and_scheme(back, None) and back.startswith(first)
    return back if is_ours else first


def _page_of(folder: Folder) -> str:
    return reverse("all-chats", query={"folder": str(folder.pk)})


@require_POST
def folders(request: AuthenticatedHttpRequest) -> HttpResponse:
    """Makes a folder."""
    name = request.POST.get("name", "")
    try:
        folder = make_folder(user_id=request.user.pk, name=name)
    except InvalidName as error:
        return _refused(request, error, new_name=name)
    return redirect(_page_of(folder))


@require_POST
def folder_rename(request: AuthenticatedHttpRequest, folder_id: UUID) -> HttpResponse:
    folder = own_folder_or_404(request, folder_id)
    try:
        rename_folder(folder=folder, name=request.POST.get("name", ""))
    except InvalidName as error:
        messages.error(request, str(error))
    return redirect(_page_of(folder))


@require_http_methods(["GET", "HEAD", "POST"])
def folder_delete(request: AuthenticatedHttpRequest, folder_id: UUID) -> HttpResponse:
    """Asks first; the POST deletes. The chats stay."""
    folder = own_folder_or_404(request, folder_id)
    if request.method != "POST":
        many = folder.conversations.count()
        return render(request, "ai_chat/folder_delete.html", {"folder": folder, "many": many})
    delete_folder(folder=folder)
    messages.success(request, f"The folder “{folder.name}” is deleted; its chats stay.")
    return redirect("all-chats")


def _refused(request: AuthenticatedHttpRequest, error: InvalidName, **more: Any) -> HttpResponse:
    return list_page(request, status=422, folder_problem=str(error), **more)
