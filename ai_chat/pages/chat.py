"""The chat's pages. Each view: method, fetch and authorise, one service call, one answer."""

from functools import partial
from typing import Any
from urllib.parse import quote
from uuid import UUID

from django.conf import settings
from django.db import connections
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from ai_chat.conversations.drafts import Draft
from ai_chat.conversations.entries import shown_entries
from ai_chat.conversations.history import known_from
from ai_chat.conversations.lists import rail
from ai_chat.conversations.path import Entry
from ai_chat.conversations.title_model import is_due
from ai_chat.conversations.turns import choose_text_model, send_message
from ai_chat.jobs.following import wait
from ai_chat.jobs.start import Agreed
from ai_chat.models import USUAL, Conversation, ImageRequest, Turn
from ai_chat.offer import Offer
from ai_chat.pages.attaching import files_to_send, keep_uploads
from ai_chat.pages.beginning import read_beginning, shown_beginning
from ai_chat.pages.choosing import note_use
from ai_chat.pages.composer import composer
from ai_chat.pages.continuing import check_goes_on, continuation_of
from ai_chat.pages.forms import (
    read_count,
    read_key,
    refuse,
    refuse_another,
    shown_price,
    shown_version,
    start_images,
)
from ai_chat.pages.lookup import conversation_of_page, own_conversation, own_entry
from ai_chat.pages.setup import SetupForm, form_of_new, shown_instructions
from ai_chat.pages.streams import event_response, wants_events
from ai_chat.pages.versions import choices_of, place_of
from ai_chat.titles import title_of
from config.errors import DomainError
from config.middleware import MICROPHONE
from config.serving.capacity import keeps_its_thread
from credits.http import AuthenticatedHttpRequest, polled
from credits.users.permissions import refuse_impersonated


@require_http_methods(["GET", "HEAD", "POST"])
def chat(
    request: AuthenticatedHttpRequest, conversation_id: UUID | None = None
) -> HttpResponseBase:
    """A conversation, or the beginning of one; a POST sends a message."""
    conversation = own_conversation(request, conversation_id) if conversation_id else None
    return (send if request.method == "POST" else page)(request, conversation)


def page(
    request: AuthenticatedHttpRequest,
    conversation: Conversation | None,
    *,
    problem: str = "",
    status: int = 200,
    setup_form: SetupForm | None = None,
    **extra: str,
) -> HttpResponse:
    """The whole page, with what else its template shows; or with a `problem` for a script only what
    changes in the composer."""
    edited = own_entry(conversation, request.POST.get("version_of") or request.GET.get("edit", ""))
    chosen = request.POST if request.method == "POST" or not edited else choices_of(edited)
    draft, begins = chosen.get("message", ""), {"begins": USUAL}
    if conversation is None:
        setup_form = form_of_new(request)
        begins = shown_beginning(request, setup_form.value())
    beginning = begins["begins"]
    context = {
        **begins,
        **composer(request.user, chosen, conversation, draft=draft, beginning=beginning),
        "edited": edited,
        "conversation": conversation,
        "problem": problem,
        "draft": draft,
    }
    if problem and wants_events(request):
        return render(request, "ai_chat/composer.html#composer_foot", context, status=status)
    instructions = shown_instructions(
        request.user, conversation, beginning, form=setup_form, offer=context["offer"]
    )
    context |= {
        **(_entries(request, conversation, context["offer"], edited) if conversation else {}),
        "instructions": instructions,
        "rail": rail(user_id=request.user.pk),
        "local_provider": settings.LOCAL_PROVIDER,
        **extra,
    }
    response = render(request, "ai_chat/chat.html", context, status=status)
    response["Permissions-Policy"] = MICROPHONE
    return response


def _entries(
    request: AuthenticatedHttpRequest,
    conversation: Conversation,
    offer: Offer,
    edited: Entry | None,
) -> dict[str, Any]:
    """What the page shows of a conversation, and from where on the model knows it."""
    shown = shown_entries(
        conversation, before=request.GET.get("before", ""), entry=request.GET.get("entry", "")
    )
    model = offer.model
    # Of an entry that is edited the offer knows what stands before it alone.
    context = None if edited else offer.context
    is_end = shown.entries and shown.is_current and not shown.has_later
    return {
        "shown": shown,
        "known": known_from(conversation, model, context=context) if model else None,
        "continuation": continuation_of(shown.entries[-1]) if is_end else None,
        "typed_title": conversation.title,
        "title_is_due": is_due(conversation),
    }


def send(request: AuthenticatedHttpRequest, conversation: Conversation | None) -> HttpResponseBase:
    """Charges the message and answers it: as events for a script, else when it is finished."""
    refuse_impersonated(request)
    is_image = request.POST.get("mode") == "image"
    try:
        refuse_another(request)
        keep_uploads(request)
        return (send_image if is_image else send_text)(request, conversation)
    except DomainError as error:
        images = read_count(request.POST) if is_image else 0
        return refuse(partial(page, request, conversation), error, images=images)


@keeps_its_thread
def send_text(
    request: AuthenticatedHttpRequest, conversation: Conversation | None
) -> HttpResponseBase:
    user_id, key = request.user.pk, read_key(request.POST)
    check_goes_on(conversation, request.POST)
    place = place_of(request.POST, conversation)
    model = choose_text_model(request.POST.get("model", ""), user_id=user_id, idempotency_key=key)
    turn, _ = send_message(
        Draft(
            user_id=user_id,
            text=request.POST.get("message", ""),
            place=place,
            attachments=files_to_send(request),
            beginning=read_beginning(request, conversation),
        ),
        model,
        idempotency_key=key,
        max_unit_cost=shown_price(request.POST.get("price", "")),
        agreed=Agreed(shown_version(request.POST)),
    )
    if not wants_events(request):
        note_use(turn, conversation)
    return followed(request, turn, conversation, is_version=place.is_version)


@keeps_its_thread
def send_image(
    request: AuthenticatedHttpRequest, conversation: Conversation | None
) -> HttpResponseBase:
    place = place_of(request.POST, conversation)
    job = start_images(
        request,
        place=place,
        beginning=read_beginning(request, conversation),
    )
    return followed(request, job, conversation, is_version=place.is_version)


def followed(
    request: AuthenticatedHttpRequest,
    job: Turn | ImageRequest,
    conversation: Conversation | None,
    *,
    is_version: bool,
) -> HttpResponseBase:
    """The job's events for a script, with the title of the conversation where it began another one
    than the page's; else its conversation, once it has ended."""
    if wants_events(request):
        response = event_response(request, job, has_versions=is_version)
        if conversation is None or job.conversation_id != conversation.pk:
            response["Tally-Title"] = quote(title_of(job.prompt))
        return response
    connections.close_all()  # Before waiting: the pool is for those who work.
    wait(job)
    return redirect(f"{reverse('conversation', args=[job.conversation_id])}#turn-{job.pk}")


@polled
@require_GET
def heading(request: AuthenticatedHttpRequest) -> HttpResponse:
    """The title at the top of a chat's page, which asks again while a model may give it one; once
    none can, the list in the rail is asked for too."""
    conversation = conversation_of_page(request)
    if conversation is None:
        return HttpResponse(status=204)
    context = {"conversation": conversation, "title_is_due": is_due(conversation)}
    response = render(request, "ai_chat/chat.html#title", context)
    if not context["title_is_due"]:
        response["HX-Trigger"] = "conversations:changed"
    return response
