"""Who is asked to sign in, and how; and where a request comes from, for the audit record."""

from collections.abc import Callable
from typing import Any, cast

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import resolve_url
from django_htmx.http import HttpResponseClientRedirect

from config.addresses import client_address
from credits.audit import origin
from credits.users.resending import keep_form
from credits.users.sessions import SessionStore
from credits.users.trail import device_of


class SignInMiddleware(LoginRequiredMiddleware):
    """Every page wants a session unless it says otherwise. A fragment that htmx asked for after the
    session had ended takes the whole window to the sign-in page, and back to where it was: a
    plain redirect would put that page into the fragment's place. What a page asks for by itself
    (`polled`) and a form that was filled in leave the page, with what was typed, where it is."""

    def handle_no_permission(  # type: ignore[override]
        self, request: HttpRequest, view_func: Callable[..., Any]
    ) -> HttpResponse:
        login_url = resolve_url(self.get_login_url(view_func))
        if kept := keep_form(request, status=401, ask=login_url):
            return kept
        htmx = getattr(request, "htmx", None)
        if not htmx:
            return super().handle_no_permission(request, view_func)
        if getattr(view_func, "is_polled", False):
            return HttpResponse(status=401)
        back = htmx.current_url_abs_path or "/"
        return HttpResponseClientRedirect(redirect_to_login(back, login_url).url)


class OriginMiddleware:
    """Lets `audit.record` and the session know where a request came from, without every service
    passing it on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        session = cast(SessionStore, request.session)
        session.address, session.device = client_address(request), device_of(request)
        token = origin.set(session.address)
        try:
            response = self.get_response(request)
            session = cast(SessionStore, request.session)
            session.write_use()
            return response
        finally:
            origin.reset(token)
