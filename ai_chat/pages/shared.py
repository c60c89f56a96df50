"""What readers of a link see: the copy, its pictures, a form to report it, and a button to go on
with it in a chat of their own. Every refusal is the same 404, whatever has become of the link."""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils.csp import CSP
from django.views.decorators.cache import cache_control
from django.views.decorators.csp import csp_override
from django.views.decorators.http import require_http_methods, require_safe

from ai_chat.models import Share
from ai_chat.serving import serve
from ai_chat.sharing import services
from ai_chat.sharing.copies import ENTRIES_SHOWN, read_copy
from ai_chat.sharing.forms import ReportForm
from config.addresses import client_address
from config.errors import DomainError, TooManyRequests
from credits import rate_limits
from credits.models import User
from credits.users.permissions import refuse_impersonated
from credits.users.resending import ask_first

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
#: Reports from one client address, and by one user, in an hour.
REPORTS_PER_HOUR = 5
#: No script at all: what is shown was written by others.
NO_SCRIPTS = {
    "default-src": [CSP.NONE],
    "style-src": [CSP.SELF],
    "img-src": [CSP.SELF],
    "form-action": [CSP.SELF],
    "base-uri": [CSP.NONE],
    "frame-ancestors": [CSP.NONE],
}
#: Readers are not to be found by search engines, nor the link by where they go on to. A form has to
#: say where it comes from, or the CSRF check refuses it.
HEADERS = {"X-Robots-Tag": "noindex, nofollow", "Referrer-Policy": "no-referrer"}

type View = Callable[..., HttpResponseBase]


class LinkEnded(DomainError):
    """There is no such link, or it is not open any more."""

    status = 404
    code = "not_found"
    template = "ai_chat/shared_gone.html"

    def __init__(self) -> None:
        super().__init__("This link leads nowhere", headers=HEADERS)


def for_readers(view: View) -> View:
    """A view of a link that is open, for whoever may read it; others are asked to sign in. Counts
    requests before it looks for the link."""

    @wraps(view)
    def shown(request: HttpRequest, share_token: str, **kwargs: Any) -> HttpResponseBase:
        _limit(request)
        share = services.find_live(share_token)
        if share is None:
            raise LinkEnded
        if not share.for_anybody and not request.user.is_authenticated:
            return ask_first(request, settings.LOGIN_URL, status=401, after_post=request.path)
        return view(request, share, **kwargs)

    @wraps(view)
    def with_headers(request: HttpRequest, share_token: str, **kwargs: Any) -> HttpResponseBase:
        response = shown(request, share_token, **kwargs)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    guarded = cache_control(private=True, no_cache=True)(with_headers)
    return cast(View, login_not_required(guarded))


def _limit(request: HttpRequest) -> None:
    """Raises TooManyRequests."""
    who = request.user.pk or client_address(request)
    most = settings.SHARED_REQUESTS_PER_MINUTE
    if wait := rate_limits.take(f"shared:{who}", limit=most, window=MINUTE):
        raise TooManyRequests("Too much was asked for. Try again soon.", retry_seconds=wait)


@csp_override(NO_SCRIPTS)
@require_safe
@for_readers
def shared(request: HttpRequest, share: Share) -> HttpResponseBase:
    """The copy, from its beginning, or from the entry `from` on."""
    text = request.GET.get("from", "")
    first = int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0
    entries, has_later = read_copy(share, first=first)
    if not entries:
        raise LinkEnded  # No such page, or it was ended at this moment.
    if request.method == "GET" and not first and request.user.pk != share.user_id:
        services.count_view(share)
    context = {
        "share": share,
        "entries": entries,
        "later": first + ENTRIES_SHOWN if has_later else None,
        "earlier": max(0, first - ENTRIES_SHOWN) if first else None,
        "is_owner": request.user.pk == share.user_id,
    }
    return render(request, "ai_chat/shared.html", context)


@require_safe
@for_readers
def picture(request: HttpRequest, share: Share, picture_id: UUID) -> HttpResponseBase:
    """A picture of the copy; there is no other address for it."""
    return serve(request, get_object_or_404(share.pictures.all(), pk=picture_id))


@csp_override(NO_SCRIPTS)
@require_http_methods(["GET", "HEAD", "POST"])
@for_readers
def report(request: HttpRequest, share: Share) -> HttpResponseBase:
    """Says to admins what is wrong with a copy."""
    if request.method == "POST":
        refuse_impersonated(request)
    form = ReportForm(request.POST if request.method == "POST" else None)
    is_sent = request.method == "POST" and form.is_valid()
    if is_sent:
        _limit_reports(request)
        services.report(
            share=share,
            reporter=request.user if isinstance(request.user, User) else None,
            reason=form.cleaned_data["reason"],
            text=form.cleaned_data["text"].replace("\x00", ""),
        )
    context = {"share": share, "form": form, "is_sent": is_sent}
    status = 422 if form.errors else 200
    return with_form(render(request, "ai_chat/shared_report.html", context, status=status))


def _limit_reports(request: HttpRequest) -> None:
    """Counts a report, for its user and for its client address. Raises TooManyRequests."""
    for who in filter(None, [request.user.pk, client_address(request)]):
        wait = rate_limits.take(f"reports:{who}", limit=REPORTS_PER_HOUR, window=HOUR)
        if wait:
            sentence = "You reported much in the last hour. Try again later."
            raise TooManyRequests(sentence, retry_seconds=wait)


def with_form(response: HttpResponseBase) -> HttpResponseBase:
    """The page of a form: with `no-referrer` a browser would send `Origin: null`, which the CSRF
    check refuses."""
    response["Referrer-Policy"] = "same-origin"
    return response
