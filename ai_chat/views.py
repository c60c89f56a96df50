"""The chat's pages. Each view: method, fetch and authorise, one service call, one answer."""

from functools import partial
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib import messages
from django.db import connections
from django.http import (
    Http404,
    HttpResponse,
    HttpResponseBase,
    QueryDict,
    StreamingHttpResponse,
)
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import Resolver404, resolve, reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ai_chat.conversations import (
    CONVERSATIONS_SHOWN,
    TurnRunning,
    address_of,
    delete_conversation,
    latest_turns,
    recent_conversations,
    rename_conversation,
)
from ai_chat.forms import Refused, explain, read_count, read_image_form, read_key, shown_price
from ai_chat.images.painter import start_painting, wait_for_images
from ai_chat.images.services import (
    DEFAULT_SIZE,
    SIZES,
    start_request,
)
from ai_chat.images.views import image_event_response
from ai_chat.limits import LimitReached, count_request
from ai_chat.models import Conversation, Turn
from ai_chat.offer import IMAGE, MAX_IMAGES, TEXT, choices, get_offer
from ai_chat.runner import find_run, start_run
from ai_chat.streaming import turn_events, wait_for_end
from ai_chat.turns import history, load_turn, reconcile, request_stop, start_turn
from credits.clerk.auth.impersonation import refuse_impersonated
from credits.clerk.billing.upcoming import next_grant
from credits.http import AuthenticatedHttpRequest
from credits.models import UsageHistory, User


def own_conversation(
    request: AuthenticatedHttpRequest, conversation_id: UUID | None
) -> Conversation | None:
    if conversation_id is None:
        return None
    return get_object_or_404(Conversation, pk=conversation_id, user_id=request.user.pk)


def own_turn(request: AuthenticatedHttpRequest, turn_id: UUID) -> Turn:
    turn = load_turn(turn_id)
    if turn is None or turn.conversation.user_id != request.user.pk:
        raise Http404
    return turn


@require_http_methods(["GET", "HEAD", "POST"])
def chat(
    request: AuthenticatedHttpRequest, conversation_id: UUID | None = None
) -> HttpResponseBase:
    """A conversation, or the beginning of one; a POST sends a message."""
    conversation = own_conversation(request, conversation_id)
    if request.method == "POST":
        return send(request, conversation)
    return page(request, conversation)


def page(
    request: AuthenticatedHttpRequest,
    conversation: Conversation | None,
    *,
    problem: str = "",
    status: int = 200,
) -> HttpResponse:
    """The whole page, or with a `problem` for a script only what changes in the composer."""
    context = {
        **composer(request.user, request.POST),
        "conversation": conversation,
        "problem": problem,
        "draft": request.POST.get("message", ""),
        "max_characters": settings.MESSAGE_MAX_CHARACTERS,
        "local_provider": settings.LOCAL_PROVIDER,
    }
    if problem and wants_events(request):
        return render(request, "ai_chat/chat.html#composer_foot", context, status=status)
    if conversation:
        context["is_earlier"] = "before" in request.GET
        context["turns"], context["has_earlier"] = latest_turns(
            conversation, before=request.GET.get("before", "")
        )
    context["most"] = CONVERSATIONS_SHOWN
    context["conversations"] = recent_conversations(user_id=request.user.pk)
    return render(request, "ai_chat/chat.html", context, status=status)


def composer(user: User, chosen: QueryDict) -> dict[str, Any]:
    """What the composer shows: both modes, what is chosen in each, and its price."""
    count = read_count(chosen)
    return {
        "mode": "image" if chosen.get("mode") == "image" else "text",
        "models": choices(TEXT),
        "image_models": choices(IMAGE),
        "offer": get_offer(user_id=user.pk, model=chosen.get("model", "")),
        "image_offer": get_offer(
            user_id=user.pk,
            feature=IMAGE,
            model=chosen.get("image_model", ""),
            quantity=count,
        ),
        "sizes": SIZES,
        "size": chosen.get("size", DEFAULT_SIZE),
        "counts": range(1, MAX_IMAGES + 1),
        "key": uuid4(),
        # Asked for only by a button that is off.
        "next_grant": partial(next_grant, user),
    }


def send(request: AuthenticatedHttpRequest, conversation: Conversation | None) -> HttpResponseBase:
    """Charges the message and answers it: as events for a script, else when it is finished."""
    refuse_impersonated(request)
    if request.POST.get("mode") == "image":
        return send_image(request, conversation)
    try:
        count_request(user_id=request.user.pk)
        turn, is_new = start_turn(
            user_id=request.user.pk,
            conversation=conversation,
            text=request.POST.get("message", ""),
            model=request.POST.get("model", ""),
            idempotency_key=read_key(request.POST),
            max_unit_cost=shown_price(request.POST.get("price", "")),
        )
    except Refused as error:
        return refuse(request, conversation, error)
    if is_new:
        start_run(turn, history(turn, is_first=conversation is None))
    else:
        reconcile(turn)
    if wants_events(request):
        return event_response(request, turn)
    connections.close_all()  # Before waiting: the pool is for those who work.
    wait_for_end(turn.pk)
    return redirect(f"{conversation_url(turn)}#turn-{turn.pk}")


def send_image(
    request: AuthenticatedHttpRequest, conversation: Conversation | None
) -> HttpResponseBase:
    """The same for images."""
    try:
        count_request(user_id=request.user.pk)
        image_request, is_new = start_request(
            user_id=request.user.pk,
            conversation=conversation,
            in_conversation=True,
            prompt=request.POST.get("message", ""),
            **read_image_form(request.POST),
        )
    except Refused as error:
        return refuse(request, conversation, error)
    if is_new:
        start_painting(image_request)
    if wants_events(request):
        return image_event_response(request, image_request)
    connections.close_all()
    wait_for_images(image_request.pk)
    address = reverse("conversation", args=[image_request.conversation_id])
    return redirect(f"{address}#turn-{image_request.pk}")


def refuse(
    request: AuthenticatedHttpRequest, conversation: Conversation | None, error: Exception
) -> HttpResponse:
    """The page again, with the reason; nothing was charged."""
    images = read_count(request.POST) if request.POST.get("mode") == "image" else 0
    status, problem = explain(error, images=images)
    response = page(request, conversation, problem=problem, status=status)
    if isinstance(error, LimitReached):
        response["Retry-After"] = str(error.retry_seconds)
    return response


def wants_events(request: AuthenticatedHttpRequest) -> bool:
    return request.headers.get("Accept", "") == "text/event-stream"


def conversation_url(turn: Turn) -> str:
    return reverse("conversation", args=[turn.conversation_id])


def event_response(request: AuthenticatedHttpRequest, turn: Turn) -> StreamingHttpResponse:
    """The turn's events. The headers go first: the meter moves before the first token comes."""
    response = StreamingHttpResponse(
        turn_events(request, turn), content_type="text/event-stream; charset=utf-8"
    )
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    response["HX-Trigger"] = "credits:changed"
    response["HX-Push-Url"] = conversation_url(turn)
    connections.close_all()
    return response


@require_GET
def events(request: AuthenticatedHttpRequest, turn_id: UUID) -> StreamingHttpResponse:
    """A turn followed from its beginning: after a reload, or a connection that broke."""
    return event_response(request, own_turn(request, turn_id))


@require_POST
def stop(request: AuthenticatedHttpRequest, turn_id: UUID) -> HttpResponse:
    """Stops an answer, in whichever process it is being written."""
    turn = own_turn(request, turn_id)
    request_stop(turn)
    run = find_run(turn.pk)
    if run:
        run.stop()
    if request.htmx:
        return HttpResponse(status=204)
    return redirect(conversation_url(turn))


@require_GET
def paid_for(request: AuthenticatedHttpRequest, charge_id: int) -> HttpResponse:
    """From a line of the statement to what it paid for."""
    charge = get_object_or_404(UsageHistory, pk=charge_id, user_id=request.user.pk)
    address = address_of(charge)
    if address is None:
        messages.info(request, "What this paid for is deleted. The line stays.")
        address = f"{reverse('usage')}?row={charge_id}#row-{charge_id}"
    return redirect(address)


@require_GET
def offer(request: AuthenticatedHttpRequest) -> HttpResponse:
    """The button with its price; 204 while it looks as the page shows it."""
    context = composer(request.user, request.GET)
    if request.GET.get("shown") == f"{context['offer'].token}-{context['image_offer'].token}":
        return HttpResponse(status=204)
    return render(request, "ai_chat/chat.html#offer", context)


@require_GET
def conversations(request: AuthenticatedHttpRequest) -> HttpResponse:
    """The list in the rail, searched."""
    search = request.GET.get("q", "").replace("\x00", "").strip()[:100]
    found = recent_conversations(user_id=request.user.pk, search=search)
    context = {
        "conversations": found,
        "search": search,
        "current": conversation_beside(request),
        "most": CONVERSATIONS_SHOWN,
    }
    template = "ai_chat/conversations.html" + ("#list" if request.htmx else "")
    return render(request, template, context)


def conversation_beside(request: AuthenticatedHttpRequest) -> UUID | None:
    """The conversation on the page that asks for the list."""
    try:
        return resolve(request.htmx.current_url_abs_path or "/").kwargs.get("conversation_id")
    except Resolver404:
        return None


@require_POST
def rename(request: AuthenticatedHttpRequest, conversation_id: UUID) -> HttpResponse:
    conversation = get_object_or_404(Conversation, pk=conversation_id, user_id=request.user.pk)
    rename_conversation(conversation=conversation, title=request.POST.get("title", ""))
    return redirect("conversation", conversation.pk)


@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: AuthenticatedHttpRequest, conversation_id: UUID) -> HttpResponse:
    """Asks first; the POST deletes."""
    conversation = get_object_or_404(Conversation, pk=conversation_id, user_id=request.user.pk)
    if request.method != "POST":
        return render(request, "ai_chat/delete.html", {"conversation": conversation})
    try:
        delete_conversation(conversation=conversation)
    except TurnRunning:
        messages.error(request, "An answer is still being written here. Stop it first.")
        return redirect("conversation", conversation.pk)
    messages.success(request, "The conversation is deleted. Its charges stay in your usage.")
    return redirect("chat")
