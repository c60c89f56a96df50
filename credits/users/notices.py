"""Letters that notify users of changes of how they sign in, and of sign-ins from new places. Only
where mail is configured, and for accounts with a local password: Clerk sends its own."""

from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from config.addresses import client_address
from config.user_agents import describe
from credits.models import AuthenticationEvent, User
from credits.users.letters import send_later
from credits.users.trail import Kind, device_of


def _is_notified(user: User) -> bool:
    """Whether this site can and should send letters about this account."""
    return bool(settings.MAIL_CONFIGURED and user.email and user.has_usable_password())


def notify(*, user: User, what: str, request: HttpRequest | None = None) -> None:
    """Has a worker send a user a letter after the commit. `what` is a sentence that says what
    happened; without a request it was done by the site's operator."""
    if not _is_notified(user):
        return
    context = particulars_of(what=what, path=reverse("account"), request=request)
    subject = "Your account at Tally"
    send_later(template="account_notice.txt", subject=subject, user=user, context=context)


def particulars_of(*, what: str, path: str, request: HttpRequest | None) -> dict[str, str]:
    """What `account_notice.txt` says of something that happened: when, with what, from where."""
    return {
        "what": what,
        "when": f"{timezone.now():%-d %B %Y, %H:%M} UTC",
        "device": describe(device_of(request)) if request else "",
        "address": client_address(request) if request else "",
        "path": path,
    }


def notify_of_new_place(*, request: HttpRequest, user: User, **_: object) -> None:
    """Receiver of `user_logged_in`, before the trail's. Notifies a user of a sign-in with an
    address and a program not seen together for AUTHENTICATION_DAYS; not of their very first."""
    if _is_notified(user) and user.last_login is not None and not _is_known(user, request):
        notify(user=user, what="Somebody signed in to your account.", request=request)


def _is_known(user: User, request: HttpRequest) -> bool:
    since = timezone.now() - timedelta(days=settings.AUTHENTICATION_DAYS)
    earlier = AuthenticationEvent.objects.filter(
        user=user, kind=Kind.SIGNED_IN, address=client_address(request), created_at__gte=since
    )
    # Compared by browser and system: the version of a browser changes every month.
    devices = earlier.values_list("device", flat=True).distinct()
    return describe(device_of(request)) in map(describe, devices)
