"""Versions of what stands in a conversation: showing another one, and asking anew."""

from typing import Any
from uuid import UUID, uuid4

from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from ai_chat.attachments.sending import load_files
from ai_chat.conversations.drafts import Draft
from ai_chat.conversations.path import Entry, beside, end_of, show_version
from ai_chat.jobs.ending import job_or_404
from ai_chat.models import Conversation, Place, Turn
from ai_chat.offer import get_offer
from ai_chat.pages.lookup import own_conversation, own_entry
from config.errors import HttpError
from credits.http import AuthenticatedHttpRequest, wants_fragment


def place_of(form: QueryDict, conversation: Conversation | None) -> Place:
    """Where a message of this form goes: to the end, or beside the entry that it names as
    `version_of`. Raises HttpError where that is none of the conversation's."""
    name = form.get("version_of", "")
    if not name:
        return end_of(conversation)
    entry = own_entry(conversation, name)
    if entry is None:
        raise HttpError(404, message="What you edit is no longer here. Nothing was charged.")
    return beside(entry)


def choices_of(entry: Entry) -> QueryDict:
    """The composer's form for another version of an entry: what was said, and what was chosen."""
    form = QueryDict(mutable=True)
    form.update({"version_of": str(entry.pk), "message": entry.prompt})
    if isinstance(entry, Turn):
        form.update({"model": entry.model})
        form.setlist("attachment", [str(each) for each in entry.attachments])
    else:
        form.update({"mode": "image", "image_model": entry.model, "size": entry.size})
        form["count"] = str(entry.count)
    return form


@require_POST
def show(request: AuthenticatedHttpRequest, conversation_id: UUID) -> HttpResponse:
    """Shows another version of an entry, and what follows on it."""
    conversation = own_conversation(request, conversation_id)
    address = reverse("conversation", args=[conversation.pk])
    entry = own_entry(conversation, request.POST.get("entry", ""))
    if entry and show_version(conversation=conversation, entry=entry.pk):
        address += f"#turn-{entry.pk}"
    return redirect(address)


@require_GET
def again(request: AuthenticatedHttpRequest, turn_id: UUID) -> HttpResponse:
    """The form that asks a turn's question again, for another version of its answer."""
    turn = job_or_404(Turn, pk=turn_id, user_id=request.user.pk)
    context = {"turn": turn, **asking_again(turn, request.GET.get("model") or turn.model)}
    part = "ai_chat/again.html#form" if wants_fragment(request) else "ai_chat/again.html"
    return render(request, part, context)


def asking_again(turn: Turn, model: str) -> dict[str, Any]:
    """What that form shows: the models, and the price with this one."""
    load_files([turn])
    draft = Draft(
        user_id=turn.user_id, text=turn.prompt, place=beside(turn), attachments=turn.files
    )
    return {"offer": get_offer(user_id=turn.user_id, model=model, draft=draft), "key": uuid4()}
