"""Admins' pages and calls: 404 for other users; an admin (`credits.roles`, looked up with each
request) who signed in long ago is asked for the password again."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import redirect, resolve_url
from django.views.decorators.http import require_http_methods
from django_htmx.http import HttpResponseClientRedirect
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from config.errors import HttpError
from credits.approvals import ApprovalPending
from credits.models import User
from credits.roles import is_admin
from credits.users.resending import keep_form
from credits.users.second_factor import lacks_second_factor


def is_admin_request(request: HttpRequest | Request) -> bool:
    """Whether an admin asks, and nobody else in an admin's name."""
    return is_admin(request.user) and not getattr(request, "clerk_impersonated", False)


#: Seconds after which admins are asked for their password again (or for a new Clerk session).
CONFIRMED_FOR = 12 * 3600
CONFIRMED_AT = "confirmed_at"


def confirm(request: HttpRequest, **_: object) -> None:
    """This session's user proved now that it is them."""
    request.session[CONFIRMED_AT] = int(time.time())


def is_confirmed(request: HttpRequest | Request) -> bool:
    """Whether this session's user proved lately that it is them."""
    return bool(time.time() - request.session.get(CONFIRMED_AT, 0) < CONFIRMED_FOR)


def needs_setup(request: HttpRequest) -> bool:
    """Whether an admin must set up a second factor here first; one who signs in with Clerk does
    that there."""
    user = cast(User, request.user)
    here = user.second_factor_at is None and user.has_usable_password()
    return here and lacks_second_factor(request)


class IsTallyAdmin(BasePermission):
    """For the API: 401 for nobody, 404 for somebody who is no admin, 403 for an admin who was not
    asked lately, or lacks a second factor."""

    def has_permission(self, request: Request, view: object) -> bool:
        if request.user.is_anonymous:
            return False
        if not is_admin_request(request):
            raise Http404
        # A Bearer token lives a minute: whoever has one is signed in now.
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
    """For admins' pages: whoever is not signed in signs in and comes back, other users get 404, and
    an admin who was not asked for 12 hours, or has not shown a second factor, is asked first. What
    needs a second admin leads to the request for one. Other methods are answered with 405."""

    def decorate[V: Callable[..., HttpResponseBase]](view: V) -> V:
        allowed = require_http_methods(methods)(view)

        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.user.is_anonymous:
                return _ask(request, resolve_url(settings.LOGIN_URL))
            if not is_admin_request(request):
                raise Http404
            if needs_setup(request):
                return _ask(request, resolve_url("second-factor"))
            if not is_confirmed(request) or lacks_second_factor(request):
                return _ask(request, resolve_url("admin-confirm"))
            try:
                return allowed(request, *args, **kwargs)
            except ApprovalPending as waits:
                level = messages.WARNING if waits.approval.is_pending else messages.INFO
                messages.add_message(request, level, str(waits))
                if whose := waits.approval.account_id:
                    return redirect("admin-user", whose)
                return redirect("admin-approval", waits.approval.pk)

        # Else LoginRequiredMiddleware would redirect first, and not know where to go back to.
        guarded.login_required = False  # type: ignore[attr-defined]
        return cast(V, guarded)

    return decorate


#: Decorators of admins' views: to look at, with a form, and to do something.
admin_page = _for_admins("GET", "HEAD")
admin_form = _for_admins("GET", "HEAD", "POST")
admin_action = _for_admins("POST")


def _ask(request: HttpRequest, where: str) -> HttpResponseBase:
    """Redirects there, and then back to this page; after a form of nothing but its button, which
    cannot be sent again by itself, to /admin. A form that was filled in is kept."""
    if kept := keep_form(request, status=403, ask=where):
        return kept
    htmx = getattr(request, "htmx", None)
    if htmx:
        back = htmx.current_url_abs_path or "/admin"
        return HttpResponseClientRedirect(redirect_to_login(back, where).url)
    back = request.get_full_path() if request.method in {"GET", "HEAD"} else "/admin"
    return redirect_to_login(back, where)
