"""Who is asked to sign in, and how."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django_htmx.http import HttpResponseClientRedirect


class SignInMiddleware(LoginRequiredMiddleware):
    """Every page wants a session unless it says otherwise. A fragment that htmx asked for after the
    session had ended takes the whole window to the sign-in page, and back to where it was: a
    plain redirect would put that page into the fragment's place."""

    def handle_no_permission(  # type: ignore[override]
        self, request: HttpRequest, view_func: Callable[..., Any]
    ) -> HttpResponse:
        htmx = getattr(request, "htmx", None)
        if not htmx:
            return super().handle_no_permission(request, view_func)
        back = htmx.current_url_abs_path or "/"
        login_url = resolve_url(self.get_login_url(view_func))
        return HttpResponseClientRedirect(redirect_to_login(back, login_url).url)
