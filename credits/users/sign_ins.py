"""What every sign-in leaves behind, whichever way it came (`user_logged_in`)."""

from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from config.user_agents import describe
from credits.models import AuthenticationEvent, User
from credits.users.addresses import client_address
from credits.users.notices import notify
from credits.users.trail import Kind, device_of, record


def signed_in(*, request: HttpRequest, user: User, **_: object) -> None:
    """Writes the sign-in down, and tells the user when it came from a place and with a program that
    AUTHENTICATION_DAYS have not seen together. Nobody is told of their very first."""
    is_first, is_known = user.last_login is None, _is_known(user, request)
    record(Kind.SIGNED_IN, user=user, request=request)
    if not (is_first or is_known):
        notify(user=user, what="Somebody signed in to your account.", request=request)


def _is_known(user: User, request: HttpRequest) -> bool:
    since = timezone.now() - timedelta(days=settings.AUTHENTICATION_DAYS)
    earlier = AuthenticationEvent.objects.filter(
        user=user, kind=Kind.SIGNED_IN, address=client_address(request), created_at__gte=since
    )
    # By what people read: the version of a browser changes every month.
    devices = earlier.values_list("device", flat=True).distinct()
    return describe(device_of(request)) in map(describe, devices)
