"""The chat's pages. Each view: method, fetch and authorise, one service call, one answer."""

from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import quote
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.db import connections
from django.http import HttpResponse, HttpResponseBase, QueryDict, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import Resolver404, resolve, reverse
from django.views.decorators.http import (
    require_GET,
    require_http_methods,
    require_POST,
    require_safe,
)

from ai_chat.conversations.drafts import Draft
from ai_chat.conversations.entries import shown_entries
from ai_chat.conversations.history import known_from
from ai_chat.conversations.path import end_of
from ai_chat.conversations.services import (
    CONVERSATIONS_SHOWN,
    InvalidTitle,
    delete_conversation,
    last_model,
    recent_conversations,
    rename_conversation,
)
from ai_chat.conversations.turns import choose_text_model, send_message
from ai_chat.jobs.ending import job_or_404
from ai_chat.jobs.errors import TurnRunning
from ai_chat.jobs.following import wait
from ai_chat.jobs.running import stop_job
from ai_chat.jobs.start import Agreed
from ai_chat.models import Conversation, ImageRequest, Turn, title_from
from ai_chat.offer import get_offer
from ai_chat.pages.addresses import address_of
from ai_chat.pages.continuing import continuation_of
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
from ai_chat.pages.streams import event_response
from config.errors import DomainError
from config.middleware import MICROPHONE
from config.serving.capacity import keeps_its_thread
from config.text import is_blank
from credits.http import AuthenticatedHttpRequest, polled, render_page_or_fragment, wants_fragment
from credits.models import UsageHistory, User
from credits.users.permissions import refuse_impersonated

#: Of a search; longer ones are refused.
SEARCH_CHARACTERS = 100


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
    **extra: str,
) -> HttpResponse:
    """The whole page, with what else its template shows; or with a `problem` for a script only what
    changes in the composer."""
    draft = request.POST.get("message", "")
    context = {
        **composer(request.user, request.POST, conversation, draft=draft),
        "conversation": conversation,
        "problem": problem,
        "draft": draft,
        "local_provider": settings.LOCAL_PROVIDER,
        "typed_title": conversation.title if conversation else "",
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
    context["most"] = CONVERSATIONS_SHOWN
    context["conversations"] = recent_conversations(user_id=request.user.pk)
    response = render(request, "ai_chat/chat.html", context, status=status)
    response["Permissions-Policy"] = MICROPHONE
    return response


def composer(
    user: User, chosen: QueryDict, conversation: Conversation | None = None, *, draft: str = ""
) -> dict[str, Any]:
    """What the composer shows: both modes, what is chosen in each, and its price with this `draft`.
    Until a model is chosen it is the one of the conversation's last turn, else of the user's last
    turn."""
    model = chosen.get("model") or last_model(user_id=user.pk, conversation=conversation)
    written = Draft(user_id=user.pk, text=draft, place=end_of(conversation))
    return {
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
        return (send_image if is_image else send_text)(request, conversation)
    except DomainError as error:
        images = read_count(request.POST) if is_image else 0
        return refuse(partial(page, request, conversation), error, images=images)


@keeps_its_thread
def send_text(
    request: AuthenticatedHttpRequest, conversation: Conversation | None
) -> HttpResponseBase:
    user_id, key = request.user.pk, read_key(request.POST)
    model = choose_text_model(request.POST.get("model", ""), user_id=user_id, idempotency_key=key)
    turn, _ = send_message(
        Draft(
            user_id=user_id,
            text=request.POST.get("message", ""),
            place=end_of(conversation),
        ),
        model,
        idempotency_key=key,
        max_unit_cost=shown_price(request.POST.get("price", "")),
        agreed=Agreed(shown_version(request.POST)),
    )
    return followed(request, turn, conversation)


@keeps_its_thread
def send_image(
    request: AuthenticatedHttpRequest, conversation: Conversation | None
) -> HttpResponseBase:
    job = start_images(request, conversation=conversation, in_conversation=True)
    return followed(request, job, conversation)


def followed(
    request: AuthenticatedHttpRequest, job: Turn | ImageRequest, conversation: Conversation | None
) -> HttpResponseBase:
    """The job's events for a script, with the title of the conversation where it began another one
    than the page's; else its conversation, once it has ended."""
    if wants_events(request):
        response = event_response(request, job)
        if conversation is None or job.conversation_id != conversation.pk:
            response["Tally-Title"] = quote(title_from(job.prompt))
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


@polled
@require_GET
def offer(request: AuthenticatedHttpRequest) -> HttpResponse:
    """The button with its price; 204 while it looks as the page shows it. Of what is being written
    the page tells the size alone."""
    context = composer(
        request.user, request.GET, conversation_of_page(request), draft=shown_draft(request.GET)
    )
    if request.GET.get("shown") == f"{context['offer'].token}-{context['image_offer'].token}":
        return HttpResponse(status=204)
    return render(request, "ai_chat/composer.html#offer", {**context, "is_update": True})


@require_GET
def conversations(request: AuthenticatedHttpRequest) -> HttpResponse:
    """The list in the rail, searched."""
    search = request.GET.get("q", "").replace("\x00", "").strip()
    search = "" if is_blank(search) else search
    is_long = len(search) > SEARCH_CHARACTERS
    own = recent_conversations(user_id=request.user.pk, search=search) if not is_long else []
    context = {
        "conversations": own,
        "search": search,
        "search_problem": f"Search for at most {SEARCH_CHARACTERS} characters." if is_long else "",
        "most": CONVERSATIONS_SHOWN,
    }
    context["current"] = place_of_page(request)
    return render_page_or_fragment(request, "ai_chat/conversations.html", "list", context)


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
    if request.method != "POST":
        return render(request, "ai_chat/delete.html", {"conversation": conversation})
    try:
        delete_conversation(conversation=conversation)
    except TurnRunning:
        messages.error(request, "An answer is still being written here. Stop it first.")
        return redirect("conversation", conversation.pk)
    messages.success(request, "The conversation is deleted. Its charges stay in your usage.")
    return redirect("chat")
