"""The chat's pages. Each view: method, fetch and authorise, one service call, one answer."""

from functools import partial
from typing import Any
from urllib.parse import quote
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.db import connections
from django.http import HttpResponse, HttpResponseBase, QueryDict, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import (
    require_GET,
    require_http_methods,
    require_POST,
    require_safe,
)

from ai_chat.conversations.drafts import Draft
from ai_chat.conversations.entries import shown_entries
from ai_chat.conversations.history import known_from
from ai_chat.conversations.lists import rail
from ai_chat.conversations.path import beside, end_of
from ai_chat.conversations.presets import find_preset
from ai_chat.conversations.services import (
    InvalidTitle,
    delete_conversation,
    rename_conversation,
)
from ai_chat.conversations.title_model import is_due
from ai_chat.conversations.turns import choose_text_model, send_message
from ai_chat.jobs.ending import job_or_404
from ai_chat.jobs.errors import TurnRunning
from ai_chat.jobs.following import wait
from ai_chat.jobs.running import stop_job
from ai_chat.jobs.start import Agreed
from ai_chat.models import Conversation, ImageRequest, Setup, Turn
from ai_chat.offer import get_offer
from ai_chat.pages.addresses import address_of
from ai_chat.pages.attaching import files_of, files_to_send, keep_uploads
from ai_chat.pages.beginning import read_beginning
from ai_chat.pages.choosing import chosen_model, note_use
from ai_chat.pages.continuing import check_goes_on, continuation_of
from ai_chat.pages.forms import (
    image_choices,
    read_count,
    read_key,
    refuse,
    refuse_another,
    shown_draft,
    shown_price,
    shown_version,
    start_images,
)
from ai_chat.pages.places import conversation_of_page
from ai_chat.pages.setup import (
    SetupForm,
    form_of_new,
    read_setup,
    shown_instructions,
    shown_setup,
)
from ai_chat.pages.streams import event_response
from ai_chat.pages.versions import choices_of, own_entry, place_of
from ai_chat.sharing.services import end_without_chat, links_of
from ai_chat.titles import title_of
from config.errors import DomainError
from config.middleware import MICROPHONE
from config.serving.capacity import keeps_its_thread
from credits.features import TEXT
from credits.http import AuthenticatedHttpRequest, polled, wants_fragment
from credits.models import UsageHistory, User
from credits.users.permissions import refuse_impersonated


def own_conversation(request: AuthenticatedHttpRequest, conversation_id: UUID) -> Conversation:
    return get_object_or_404(Conversation, pk=conversation_id, user_id=request.user.pk)


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
    draft = chosen.get("message", "")
    beginning = Setup()
    if conversation is None:
        setup_form = form_of_new(request)
        beginning = setup_form.value()
    context = {
        **composer(request.user, chosen, conversation, draft=draft, beginning=beginning),
        "edited": edited,
        "conversation": conversation,
        "problem": problem,
        "draft": draft,
        "local_provider": settings.LOCAL_PROVIDER,
        "typed_title": conversation.title if conversation else "",
        "title_is_due": bool(conversation and is_due(conversation)),
        **extra,
    }
    if problem and wants_events(request):
        return render(request, "ai_chat/composer.html#composer_foot", context, status=status)
    if conversation:
        context["shown"] = shown = shown_entries(
            conversation,
            before=request.GET.get("before", ""),
            entry=request.GET.get("entry", ""),
        )
        if model := context["offer"].model:
            context["known"] = known_from(conversation, model)
        if shown.entries and shown.is_current and not shown.has_later:
            context["continuation"] = continuation_of(shown.entries[-1])
    context["begins"] = read_beginning(request)
    context["instructions"] = shown_instructions(
        request.user, conversation, beginning, form=setup_form, offer=context["offer"]
    )
    context["rail"] = rail(user_id=request.user.pk)
    response = render(request, "ai_chat/chat.html", context, status=status)
    response["Permissions-Policy"] = MICROPHONE
    return response


def composer(
    user: User,
    chosen: QueryDict,
    conversation: Conversation | None = None,
    *,
    draft: str = "",
    beginning: Setup = Setup(),  # noqa: B008 -- it cannot be changed
) -> dict[str, Any]:
    """What the composer shows: both modes, what is chosen in each, and its price with this `draft`.
    Until a model is chosen it is that of the preset that a chat begins with, else the one that was
    chosen last."""
    preset = None if conversation else find_preset(beginning.preset_id, user_id=user.pk)
    model = (
        chosen.get("model")
        or (preset and preset.model)
        or chosen_model(user_id=user.pk, feature=TEXT, conversation=conversation)
    )
    edited = own_entry(conversation, chosen.get("version_of", ""))
    written = Draft(
        user_id=user.pk,
        text=draft,
        place=beside(edited) if edited else end_of(conversation),
        attachments=(attached := files_of(chosen, user)),
        beginning=beginning,
    )
    return {
        "attached": attached,
        "most_files": settings.ATTACHMENTS_PER_MESSAGE,
        "mode": "image" if chosen.get("mode") == "image" else "text",
        "offer": get_offer(user_id=user.pk, model=model, draft=written),
        **image_choices(user, chosen, conversation=conversation),
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
    model = choose_text_model(request.POST.get("model", ""), user_id=user_id, idempotency_key=key)
    turn, _ = send_message(
        Draft(
            user_id=user_id,
            text=request.POST.get("message", ""),
            place=place_of(request.POST, conversation),
            attachments=files_to_send(request),
            filing=read_beginning(request).filing,
            beginning=read_setup(request, conversation),
        ),
        model,
        idempotency_key=key,
        max_unit_cost=shown_price(request.POST.get("price", "")),
        agreed=Agreed(shown_version(request.POST)),
    )
    note_use(turn, conversation)
    return followed(request, turn, conversation)


@keeps_its_thread
def send_image(
    request: AuthenticatedHttpRequest, conversation: Conversation | None
) -> HttpResponseBase:
    job = start_images(
        request,
        place=place_of(request.POST, conversation),
        filing=read_beginning(request).filing,
        setup=read_setup(request, conversation),
    )
    return followed(request, job, conversation)


def followed(
    request: AuthenticatedHttpRequest, job: Turn | ImageRequest, conversation: Conversation | None
) -> HttpResponseBase:
    """The job's events for a script, with the title of the conversation where it began another one
    than the page's; else its conversation, once it has ended."""
    if wants_events(request):
        response = event_response(request, job)
        if conversation is None or job.conversation_id != conversation.pk:
            response["Tally-Title"] = quote(title_of(job.prompt))
        return response
    connections.close_all()  # Before waiting: the pool is for those who work.
    wait(job)
    return redirect(f"{reverse('conversation', args=[job.conversation_id])}#turn-{job.pk}")


def wants_events(request: AuthenticatedHttpRequest) -> bool:
    return request.headers.get("Accept", "") == "text/event-stream"


@require_GET
@keeps_its_thread
def events(request: AuthenticatedHttpRequest, turn_id: UUID) -> StreamingHttpResponse:
    """A turn followed from its beginning: after a reload, or a connection that broke."""
    return event_response(request, job_or_404(Turn, pk=turn_id, user_id=request.user.pk))


@require_safe
def source(request: AuthenticatedHttpRequest, turn_id: UUID) -> HttpResponse:
    """The Markdown of an answer as the model wrote it, to be copied."""
    turn = job_or_404(Turn, pk=turn_id, user_id=request.user.pk)
    return HttpResponse(turn.answer, content_type="text/plain; charset=utf-8")


@require_POST
def stop(request: AuthenticatedHttpRequest, turn_id: UUID) -> HttpResponse:
    """Stops an answer, in whichever process it is being written."""
    turn = job_or_404(Turn, pk=turn_id, user_id=request.user.pk)
    stop_job(turn)
    if wants_fragment(request):
        return HttpResponse(status=204)
    return redirect("conversation", turn.conversation_id)


@require_GET
def paid_for(request: AuthenticatedHttpRequest, charge_id: int) -> HttpResponse:
    """From a line of the statement to what it paid for."""
    charge = get_object_or_404(UsageHistory, pk=charge_id, account_id=request.user.pk)
    address = address_of(charge)
    if address is None:
        messages.info(request, "What this paid for is deleted. The line stays.")
        address = f"{reverse('usage')}?row={charge_id}#row-{charge_id}"
    return redirect(address)


@polled
@require_GET
def offer(request: AuthenticatedHttpRequest) -> HttpResponse:
    """The button with its price; 204 while it looks as the page shows it. Of what is being written
    the page tells the size alone."""
    conversation, draft = conversation_of_page(request), shown_draft(request.GET)
    beginning = Setup() if conversation else shown_setup(request.GET, request.user)
    context = composer(request.user, request.GET, conversation, draft=draft, beginning=beginning)
    if request.GET.get("shown") == f"{context['offer'].token}-{context['image_offer'].token}":
        return HttpResponse(status=204)
    return render(request, "ai_chat/composer.html#offer", {**context, "is_update": True})


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
