"""Request types, so that views need no casts."""

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from credits.models import User


class AuthenticatedHttpRequest(HttpRequest):
    """A request of somebody who is signed in, as LoginRequiredMiddleware lets it through."""

    user: User
    htmx: HtmxDetails
