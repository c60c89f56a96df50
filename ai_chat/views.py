"""The chat's pages. Each view: method, fetch and authorise, one service call, one answer."""

from uuid import UUID, uuid4

from django.conf import settings
from django.contrib import messages
from django.db import connections
from django.http import Http404, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ai_chat.conversations import (
    TurnRunning,
    delete_conversation,
    latest_turns,
    recent_conversations,
    rename_conversation,
)
from ai_chat.models import Conversation, Turn
from ai_chat.offer import get_offer
from ai_chat.runner import find_run, start_run
from ai_chat.streaming import load_turn, turn_events, wait_for_end
from ai_chat.turns import InvalidMessage, history, request_stop, start_turn
from credits.exceptions import IdempotencyConflict, InsufficientCredits, LedgerError, PriceChanged
from credits.http import AuthenticatedHttpRequest


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


@never_cache
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
        "conversation": conversation,
        "offer": get_offer(user_id=request.user.pk),
        "problem": problem,
        "draft": request.POST.get("message", ""),
        "model": request.POST.get("model", ""),
        "models": settings.AI_TEXT_MODELS,
        "key": uuid4(),
        "max_characters": settings.MESSAGE_MAX_CHARACTERS,
        "local_provider": settings.LOCAL_PROVIDER,
    }
    if problem and wants_events(request):
        return render(request, "ai_chat/chat.html#composer_foot", context, status=status)
    if conversation:
        before = request.GET.get("before", "")
        earlier = conversation.turns.filter(pk=before).first() if is_uuid(before) else None
        context["turns"], context["has_earlier"] = latest_turns(conversation, before=earlier)
    context["conversations"] = recent_conversations(user_id=request.user.pk)
    return render(request, "ai_chat/chat.html", context, status=status)


def send(request: AuthenticatedHttpRequest, conversation: Conversation | None) -> HttpResponseBase:
    """Charges the message and answers it: as events for a script, else when it is finished."""
    try:
        turn, is_new = start_turn(
            user_id=request.user.pk,
            conversation=conversation,
            text=request.POST.get("message", ""),
            model=request.POST.get("model", ""),
            idempotency_key=request.POST.get("key", "")[:200] or str(uuid4()),
            max_unit_cost=shown_price(request),
        )
    except (InvalidMessage, LedgerError) as error:
        status, problem = explain(error)
        return page(request, conversation, problem=problem, status=status)
    if is_new:
        start_run(turn, history(turn))
    if wants_events(request):
        return event_response(request, turn)
    connections.close_all()  # Before waiting: the pool is for those who work.
    wait_for_end(turn.pk)
    return redirect(f"{conversation_url(turn)}#turn-{turn.pk}")


def explain(error: InvalidMessage | LedgerError) -> tuple[int, str]:
    """The status and the sentence for a message that was not sent; nothing was charged."""
    match error:
        case InsufficientCredits():
            return 402, (
                f"This message costs {error.required} and you have {error.available} "
                f"credit{'s' if error.available != 1 else ''} left. Nothing was charged."
            )
        case PriceChanged():
            return 409, (
                f"The price is now {error.unit_cost} credits a message, not {error.agreed}. "
                "Nothing was charged; send again if you agree."
            )
        case IdempotencyConflict():
            return 409, "This form sent another message already. Send again for a new one."
        case InvalidMessage():
            return 400, str(error)
    raise error


def shown_price(request: AuthenticatedHttpRequest) -> int | None:
    """The price on the button that was pressed: more is never charged."""
    price = request.POST.get("price", "")
    return int(price) if price.isdecimal() and len(price) < 10 else None


def wants_events(request: AuthenticatedHttpRequest) -> bool:
    return request.headers.get("Accept", "") == "text/event-stream"


def is_uuid(value: str) -> bool:
    try:
        UUID(value)
    except ValueError:
        return False
    return True


def conversation_url(turn: Turn) -> str:
    return reverse("conversation", args=[turn.conversation_id])


def event_response(request: AuthenticatedHttpRequest, turn: Turn) -> StreamingHttpResponse:
    """The turn's events. The headers go first: the meter moves before the first token comes."""
    response = StreamingHttpResponse(
        turn_events(request, turn.pk), content_type="text/event-stream; charset=utf-8"
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


@never_cache
@require_GET
def offer(request: AuthenticatedHttpRequest) -> HttpResponse:
    """The button with its price; 204 while it looks as the page shows it."""
    current = get_offer(user_id=request.user.pk)
    if request.GET.get("shown") == current.token:
        return HttpResponse(status=204)
    return render(request, "ai_chat/chat.html#offer", {"offer": current})


@never_cache
@require_GET
def conversations(request: AuthenticatedHttpRequest) -> HttpResponse:
    """The list in the rail, searched."""
    search = request.GET.get("q", "").replace("\x00", "").strip()[:100]
    found = recent_conversations(user_id=request.user.pk, search=search)
    context = {"conversations": found, "search": search}
    template = "ai_chat/conversations.html" + ("#list" if request.htmx else "")
    return render(request, template, context)


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
