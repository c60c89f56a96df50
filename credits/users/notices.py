"""Letters that tell users what happened to the way they sign in, so that a stranger cannot do it
unseen. Only where mail is configured, and for accounts with a password of ours: Clerk writes its
own."""

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from config.user_agents import describe
from credits.models import User
from credits.users.addresses import client_address
from credits.users.letters import send_later
from credits.users.trail import device_of


def is_told(user: User) -> bool:
    """Whether letters about this account can be written, and are ours to write."""
    return bool(settings.MAIL_CONFIGURED and user.email and user.has_usable_password())


def notify(*, user: User, what: str, request: HttpRequest | None = None) -> None:
    """Has a worker tell a user, after the commit. `what` is a sentence; without a request it was
    done by whoever operates the site."""
    if not is_told(user):
        return
    context = {
        "what": what,
        "when": f"{timezone.now():%-d %B %Y, %H:%M} UTC",
        "device": describe(device_of(request)) if request else "",
        "address": client_address(request) if request else "",
        "path": reverse("account"),
    }
    send_later(
        template="account_notice.txt", subject="Your account at Tally", to=user.email or "",
        context=context,
    )  # fmt: skip
