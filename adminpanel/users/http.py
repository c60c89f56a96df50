"""Small things these views need of a request."""

from typing import cast

from django.http import HttpRequest

from credits.http import AuthenticatedHttpRequest
from credits.models import User

type AdminRequest = AuthenticatedHttpRequest


def wants_fragment(request: AdminRequest) -> bool:
    """Whether htmx asks for a part of the page; a restored history and a boosted link want all."""
    htmx = request.htmx
    return bool(htmx) and not htmx.boosted and not htmx.history_restore_request


def admin_of(request: HttpRequest) -> User:
    """Who is asking: `admin_page` lets nobody else through."""
    return cast(User, request.user)
