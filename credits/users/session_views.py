"""The sessions and authentication events of a user, as /account shows them."""

from typing import Any, cast

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from credits.http import AuthenticatedHttpRequest
from credits.models import AuthenticationEvent, User
from credits.users.session_list import end_session, list_sessions
from credits.users.sessions import end_sessions
from credits.users.trail import Kind, record

#: Sessions and events that the page shows.
SHOWN = 20


def devices_and_activity(request: HttpRequest) -> dict[str, Any]:
    """What the cards show: the user's sessions, and the latest events."""
    user = cast(User, request.user)
    sessions = list_sessions(user=user, this=request.session.session_key)
    events = AuthenticationEvent.objects.filter(user=user).order_by("-pk")
    return {
        "sessions": sessions[:SHOWN],
        "more_sessions": len(sessions) - SHOWN,
        "events": events[:SHOWN],
    }


@require_POST
def end(request: AuthenticatedHttpRequest, session_id: str) -> HttpResponse:
    """Ends one of the user's sessions."""
    if not end_session(user=request.user, session_id=session_id):
        raise Http404
    record(Kind.SESSION_ENDED, user=request.user, request=request)
    messages.success(request, "That device is signed out.")
    return redirect("account")


@require_POST
def end_others(request: AuthenticatedHttpRequest) -> HttpResponse:
    """Ends all the user's sessions but this one."""
    if end_sessions(user_id=request.user.pk, but=request.session.session_key):
        record(Kind.SESSION_ENDED, user=request.user, request=request)
    messages.success(request, "All other devices are signed out.")
    return redirect("account")
