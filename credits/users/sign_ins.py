"""Telling users of sign-ins that may not be theirs."""

from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from config.user_agents import describe
from credits.models import AuthenticationEvent, User
from credits.users.addresses import client_address
from credits.users.notices import is_told, notify
from credits.users.trail import Kind, device_of


def tell_of_new_place(*, request: HttpRequest, user: User, **_: object) -> None:
    """Receiver of `user_logged_in`, before the trail's. Tells the user of a sign-in from a place
    and with a program that AUTHENTICATION_DAYS have not seen together; not of their very first."""
    if is_told(user) and user.last_login is not None and not _is_known(user, request):
        notify(user=user, what="Somebody signed in to your account.", request=request)


def _is_known(user: User, request: HttpRequest) -> bool:
    since = timezone.now() - timedelta(days=settings.AUTHENTICATION_DAYS)
    earlier = AuthenticationEvent.objects.filter(
        user=user, kind=Kind.SIGNED_IN, address=client_address(request), created_at__gte=since
    )
    # By what people read: the version of a browser changes every month.
    devices = earlier.values_list("device", flat=True).distinct()
    return describe(device_of(request)) in map(describe, devices)
