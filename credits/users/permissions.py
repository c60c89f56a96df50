"""Admins' pages and calls: 404 for other users; an admin (`credits.roles`, looked up with each
request) who signed in more than 12 hours ago has to confirm first."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol, cast

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import redirect, resolve_url
from django.views.decorators.http import require_http_methods
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from config.errors import HttpError
from credits.approvals import ApprovalPending
from credits.models import User
from credits.roles import is_admin
from credits.users.resending import ask_first
from credits.users.second_factor import lacks_second_factor


def is_admin_request(request: HttpRequest | Request) -> bool:
    """Whether the request is an admin's own, not one in which somebody impersonates an admin."""
    return is_admin(request.user) and not getattr(request, "clerk_impersonated", False)


#: Seconds after which admins are asked for their password again (or for a new Clerk session).
CONFIRMED_FOR = 12 * 3600
CONFIRMED_AT = "confirmed_at"


def confirm(request: HttpRequest, **_: object) -> None:
    """Notes in the session that its user has just given a password, or signed in."""
    request.session[CONFIRMED_AT] = int(time.time())


def is_confirmed(request: HttpRequest | Request) -> bool:
    """Whether this session's user signed in, or confirmed, in the last CONFIRMED_FOR seconds."""
    return bool(time.time() - request.session.get(CONFIRMED_AT, 0) < CONFIRMED_FOR)


def needs_setup(request: HttpRequest) -> bool:
    """Whether an admin must set up a second factor here first; one who signs in with Clerk does
    that there."""
    user = cast(User, request.user)
    here = user.second_factor_at is None and user.has_usable_password()
    return here and lacks_second_factor(request)


class IsTallyAdmin(BasePermission):
    """For the API: 401 without a user, 404 for users who are no admins, 403 for an admin who has
    not confirmed lately, or lacks a second factor."""

    def has_permission(self, request: Request, view: object) -> bool:
        if request.user.is_anonymous:
            return False
        if not is_admin_request(request):
            raise Http404
        # A Bearer token is valid for a minute, so its user has just signed in.
        by_session = isinstance(request.successful_authenticator, SessionAuthentication)
        if by_session and not is_confirmed(request):
            message = "Say that it is still you, at /admin/confirm, and try again."
            raise HttpError(403, "confirmation_required", message)
        if lacks_second_factor(request):
            message = "Set up your second factor, or show it, at /admin, and try again."
            raise HttpError(403, "second_factor_required", message)
        return True


class _Guard(Protocol):
    def __call__[V: Callable[..., HttpResponseBase]](self, view: V, /) -> V: ...


def _for_admins(*methods: str) -> _Guard:
    """For admins' pages: visitors sign in and come back, other users get 404, and admins pass
    `_step_before` first. A change that needs a second admin leads to the request for one. Other
    methods are answered with 405."""

    def decorate[V: Callable[..., HttpResponseBase]](view: V) -> V:
        allowed = require_http_methods(methods)(view)

        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if step := _step_before(request):
                return ask_first(request, resolve_url(step), status=403, after_post="/admin")
            try:
                return allowed(request, *args, **kwargs)
            except ApprovalPending as pending:
                return _to_approval(request, pending)

        # Else LoginRequiredMiddleware would redirect first, and not know where to go back to.
        guarded.login_required = False  # type: ignore[attr-defined]
        return cast(V, guarded)

    return decorate


def _step_before(request: HttpRequest) -> str:
    """The page that comes before an admin's page: to sign in, to set up a second factor, or to
    confirm after 12 hours; "" if none does. Raises Http404 for users who are no admins."""
    if request.user.is_anonymous:
        return settings.LOGIN_URL
    if not is_admin_request(request):
        raise Http404
    if needs_setup(request):
        return "second-factor"
    return "" if is_confirmed(request) and not lacks_second_factor(request) else "admin-confirm"


def _to_approval(request: HttpRequest, pending: ApprovalPending) -> HttpResponseBase:
    approval = pending.approval
    level = messages.WARNING if approval.is_pending else messages.INFO
    messages.add_message(request, level, str(pending))
    if approval.account_id:
        return redirect("admin-user", approval.account_id)
    return redirect("admin-approval", approval.pk)


#: Decorators of admins' views: to look at, with a form, and to do something.
admin_page = _for_admins("GET", "HEAD")
admin_form = _for_admins("GET", "HEAD", "POST")
admin_action = _for_admins("POST")


class ImpersonatedAction(PermissionDenied):
    """An impersonated session tried to do what only the user may: 403."""


def refuse_impersonated(request: HttpRequest | Request) -> None:
    """Views that spend, or give out what is the user's, call this first: an admin of Clerk who acts
    in a user's name may look, not spend. Raises ImpersonatedAction."""
    if getattr(request, "clerk_impersonated", False):
        raise ImpersonatedAction("Somebody else acts in this user's name.")
