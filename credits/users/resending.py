"""Forms that arrive after the session has ended, or with the CSRF token of an earlier one: they are
returned with their values, to be sent again after signing in."""

import re
from dataclasses import dataclass

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRedirect

#: The field with the CSRF token.
CHECK = "csrfmiddlewaretoken"
#: Names of fields whose values are not put into the page, but have to be typed again.
SECRETS = re.compile("password|secret|token|code", re.IGNORECASE)
#: Values with blanks or non-ASCII characters are shown as typed text; others are ids or choices.
TYPED = re.compile(r"\s|[^\x00-\x7f]")
#: Prefixes of the reasons of Django's CSRF check for a form of another site.
FOREIGN = ("Origin checking failed", "Referer checking failed")


@dataclass(frozen=True)
class KeptField:
    """A field of a form as it was sent."""

    name: str
    value: str

    @property
    def label(self) -> str:
        return self.name.replace("_", " ").replace("-", " ").capitalize()

    @property
    def is_secret(self) -> bool:
        return bool(SECRETS.search(self.name))

    @property
    def is_typed(self) -> bool:
        return bool(TYPED.search(self.value))


def keep_form(request: HttpRequest, *, status: int, ask: str = "") -> HttpResponse | None:
    """A page with the form that this request sent, to be sent again after the reader has visited
    `ask` (an address) in another tab; a script, which still has the form, gets only the status and
    that address. None when no field was filled in."""
    if request.method != "POST" or not set(request.POST) - {CHECK}:
        return None
    if request.headers.get("HX-Request") or request.headers.get("Accept") == "text/event-stream":
        return HttpResponse(status=status, headers={"Tally-Ask": ask})
    fields = [
        KeptField(name, str(value))
        for name, values in request.POST.lists()
        for value in values
        if name != CHECK
    ]
    return render(request, "kept.html", {"fields": fields, "ask": ask}, status=status)


def ask_first(request: HttpRequest, ask: str, *, status: int, after_post: str) -> HttpResponse:
    """Sends the reader to `ask`, where they sign in or confirm who they are, and then back to this
    page; after a form of nothing but its button to `after_post`. A form that was filled in is kept
    (`keep_form`). For a fragment htmx leaves the whole page: a plain redirect would put the other
    page into the fragment's place."""
    if kept := keep_form(request, status=status, ask=ask):
        return kept
    if htmx := getattr(request, "htmx", None):
        back = htmx.current_url_abs_path or "/"
        return HttpResponseClientRedirect(redirect_to_login(back, ask).url)
    back = request.get_full_path() if request.method in {"GET", "HEAD"} else after_post
    return redirect_to_login(back, ask)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's CSRF_FAILURE_VIEW. Only a form of this site is returned: with another site's, our
    page would carry out the attack that the check prevents."""
    is_own = "Origin" in request.headers and not reason.startswith(FOREIGN)
    kept = keep_form(request, status=403) if is_own else None
    return kept or render(request, "403_csrf.html", status=403)


@login_not_required
@require_safe
def session(request: HttpRequest) -> JsonResponse:
    """The user of the present session and the CSRF token for their forms, for a page that was
    loaded in an earlier session."""
    user = request.user
    who = {"user": str(user.pk), "name": str(user)} if user.is_authenticated else {"user": ""}
    return JsonResponse({**who, "csrf": get_token(request)})
