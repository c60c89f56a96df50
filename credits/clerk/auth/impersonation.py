"""An admin of Clerk who acts in a user's name may look, not spend."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from rest_framework.request import Request


class ImpersonatedSpend(PermissionDenied):
    """An impersonated session tried to spend credits: 403."""


def refuse_impersonated(request: HttpRequest | Request) -> None:
    """Views that spend call this first. Raises ImpersonatedSpend."""
    if getattr(request, "clerk_impersonated", False):
        raise ImpersonatedSpend("Somebody else acts in this user's name.")
