"""Middleware that requires a sign-in, and that notes the origin of each request."""

from collections.abc import Callable
from typing import Any, cast

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import resolve_url

from config.addresses import client_address
from credits.audit import origin
from credits.users.resending import ask_first
from credits.users.sessions import SessionStore
from credits.users.trail import device_of


class SignInMiddleware(LoginRequiredMiddleware):
    """Every page needs a session unless its view says otherwise. Without one the reader signs in
    and comes back (`ask_first`); a fragment that the page requests by itself (`polled`) is answered
    with 401, and the page stays where it is."""

    def handle_no_permission(  # type: ignore[override]
        self, request: HttpRequest, view_func: Callable[..., Any]
    ) -> HttpResponse:
        if getattr(request, "htmx", None) and getattr(view_func, "is_polled", False):
            return HttpResponse(status=401)
        ask = resolve_url(self.get_login_url(view_func))
        return ask_first(request, ask, status=401, after_post=request.get_full_path())


class OriginMiddleware:
    """Gives `audit.record` and the session the client address of a request, so that services need
    not pass it on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        session = cast(SessionStore, request.session)
        session.address, session.device = client_address(request), device_of(request)
        token = origin.set(session.address)
        try:
            response = self.get_response(request)
            cast(SessionStore, request.session).write_use()  # Signing in made another session.
            return response
        finally:
            origin.reset(token)
