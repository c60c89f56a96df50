"""A turn by itself: followed, copied, stopped."""

from uuid import UUID

from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_POST, require_safe

from ai_chat.jobs.ending import job_or_404
from ai_chat.jobs.running import stop_job
from ai_chat.models import Turn
from ai_chat.pages.streams import event_response
from config.serving.capacity import keeps_its_thread
from credits.http import AuthenticatedHttpRequest, wants_fragment


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
