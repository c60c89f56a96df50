"""The pages that load Clerk's scripts, and the exchange of a Clerk token for a Django session."""

import logging
from collections.abc import Callable
from functools import wraps

from django.conf import settings
from django.contrib.auth import SESSION_KEY, logout
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render, resolve_url
from django.utils.csp import CSP
from django.views.decorators.csp import csp_override
from django.views.decorators.http import require_http_methods, require_POST

from config.errors import HttpError, json_response
from credits.clerk import conf
from credits.clerk.auth.keys import TokenRefused
from credits.clerk.auth.sessions import start_session, tokens_in_cookies
from credits.http import address_here
from credits.statement import views
from credits.users import views as local

#: A view without arguments.
type View = Callable[[HttpRequest], HttpResponseBase]

logger = logging.getLogger(__name__)

#: Counts exchanges in a row: a browser that keeps no session would go in circles.
TRIES, TRIES_SECONDS, MAX_TRIES = "clerk_tries", 30, 3
STRIPE = ("js", "api", "hooks")
CHALLENGES = ("https://challenges.cloudflare.com", "https://*.protect.clerk.com")


def with_clerk(request: HttpRequest, view: View, *, checkout: bool = False) -> HttpResponseBase:
    """The view's answer under a policy with the hosts that Clerk documents."""
    host = f"https://{conf.frontend_api()}"
    js, api, hooks = ([f"https://{name}.stripe.com"] if checkout else [] for name in STRIPE)
    policy: dict[str, list[str | CSP]] = {
        **{name: [*hosts] for name, hosts in settings.SECURE_CSP.items()},
        "script-src": [CSP.SELF, host, *CHALLENGES, *js],
        "connect-src": [CSP.SELF, host, "https://*.protect.clerk.com:*", *api],
        "img-src": [CSP.SELF, "https://img.clerk.com"],
        "worker-src": [CSP.SELF, "blob:"],
        "style-src": [CSP.SELF, CSP.UNSAFE_INLINE],
        "frame-src": [*CHALLENGES, *js, *hooks],
    }
    answer: HttpResponseBase = csp_override(policy)(view)(request)
    return answer


def clerk_context() -> dict[str, str]:
    """What a page needs to load Clerk's scripts."""
    return {
        "clerk_key": settings.CLERK_PUBLISHABLE_KEY,
        "clerk_scripts": f"https://{conf.frontend_api()}/npm/@clerk",
    }


def local_or_clerk(local_view: View, clerk_view: View) -> View:
    """One view for one address: Clerk's page when people sign in with Clerk, else the local one."""

    @wraps(clerk_view)  # Copies `login_required`.
    def view(request: HttpRequest) -> HttpResponseBase:
        return (clerk_view if conf.signs_in() else local_view)(request)

    return view


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest, kind: str = "sign-in") -> HttpResponseBase:
    """Clerk's form; a user signed in at Clerk exchanges the token, a few times at most."""
    target = _next(request)
    if SESSION_KEY in request.session and request.user.is_authenticated:
        return redirect(target)
    tries = request.COOKIES.get(TRIES, "0")
    context = {
        **clerk_context(),
        "kind": kind,
        "next": target,
        "exchanging": bool(tokens_in_cookies(request)),
        "automatic": tries.isdecimal() and int(tries[:3]) < MAX_TRIES,
    }
    return with_clerk(request, lambda r: render(r, "credits/clerk/sign_in.html", context))


@login_not_required
def sign_up(request: HttpRequest) -> HttpResponseBase:
    return sign_in(request, "sign-up")


def _next(request: HttpRequest) -> str:
    otherwise = resolve_url(settings.LOGIN_REDIRECT_URL)
    return address_here(request, request.GET.get("next", ""), otherwise=otherwise)


@login_not_required
@require_POST
def exchange(request: HttpRequest) -> HttpResponse:
    """A session token becomes a Django session; CSRF-protected, against forged sign-ins."""
    if not conf.signs_in():
        return json_response(HttpError(404))
    try:
        start_session(request, request.POST.get("token", ""))
    except TokenRefused as refusal:
        logger.warning("Clerk session refused: %s", refusal.reason)
        return json_response(refusal)
    answer = HttpResponse(status=204)
    tries = request.COOKIES.get(TRIES, "0")
    count, secure = int(tries[:3]) + 1 if tries.isdecimal() else 1, settings.SESSION_COOKIE_SECURE
    answer.set_cookie(
        TRIES, str(count), max_age=TRIES_SECONDS, httponly=True, samesite="Lax", secure=secure
    )
    return answer


@login_not_required
@require_POST
def sign_out(request: HttpRequest) -> HttpResponseBase:
    """Ends our session; the page then ends Clerk's, or the next page would sign in again."""
    logout(request)
    context = {**clerk_context(), "kind": "sign-out", "next": resolve_url("home")}
    answer = with_clerk(request, lambda r: render(r, "credits/clerk/sign_out.html", context))
    assert isinstance(answer, HttpResponse)
    answer.delete_cookie(TRIES, samesite="Lax")
    return answer


@login_not_required
def pricing(request: HttpRequest) -> HttpResponseBase:
    def page(r: HttpRequest) -> HttpResponse:
        return views.pricing(r, template="credits/clerk/pricing.html", extra=clerk_context())

    return with_clerk(request, page, checkout=True)


def account(request: HttpRequest) -> HttpResponseBase:
    view = local.AccountView.as_view(
        template_name="credits/clerk/account.html", extra_context=clerk_context()
    )
    return with_clerk(request, view)
