"""Request types, so that views need no casts, and answers that are a page or a part of it."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.middleware import HtmxDetails

from credits.models import User


class AuthenticatedHttpRequest(HttpRequest):
    """A request of somebody who is signed in, as LoginRequiredMiddleware lets it through."""

    user: User
    htmx: HtmxDetails


def polled[View](view: View) -> View:
    """For fragments that a page asks for by itself: nobody is taken away from it, to the sign-in
    page, while they write."""
    view.is_polled = True  # type: ignore[attr-defined]
    return view


def address_here(request: HttpRequest, target: str, *, otherwise: str = "") -> str:
    """The target if it is an address of this site; no form sends anybody elsewhere."""
    hosts = {request.get_host()}
    is_here = url_has_allowed_host_and_scheme(target, hosts, require_https=request.is_secure())
    return target if is_here else otherwise


def wants_fragment(request: AuthenticatedHttpRequest) -> bool:
    """Whether htmx asks for a part of a page. A boosted link and a page that is restored from the
    history are asked for by htmx too, but as a whole."""
    htmx = request.htmx
    return bool(htmx) and not htmx.boosted and not htmx.history_restore_request


def render_page_or_fragment(
    request: AuthenticatedHttpRequest,
    template: str,
    fragment: str,
    context: Mapping[str, Any],
    *,
    status: int = 200,
) -> HttpResponse:
    """The template, or only its part `fragment` when htmx asks for that. Of errors htmx shows those
    with the status 422 alone, so a fragment with 400 gets that."""
    if wants_fragment(request):
        template, status = f"{template}#{fragment}", 422 if status == 400 else status
    response = render(request, template, context, status=status)
    patch_vary_headers(response, ["HX-Request", "HX-Boosted", "HX-History-Restore-Request"])
    return response
