"""The trail of authentication: what is written down of it (`AuthenticationEvent`)."""

from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from credits.models import AuthenticationEvent, User
from credits.users.addresses import client_address

Kind = AuthenticationEvent.Kind


def record(kind: str, *, user: User | None, request: HttpRequest | None = None) -> None:
    """Writes an event down, with where it came from. Without a request: from a command or job."""
    AuthenticationEvent.objects.create(
        user=user,
        kind=kind,
        address=client_address(request) if request else "",
        device=device_of(request) if request else "",
    )


def device_of(request: HttpRequest) -> str:
    """The program that asks, as its User-Agent says, at most 200 characters."""
    agent = request.headers.get("User-Agent", "")
    return "".join(character for character in agent if character.isprintable())[:200]


def forget() -> int:
    """Deletes the events that are older than AUTHENTICATION_DAYS, and returns how many."""
    end = timezone.now() - timedelta(days=settings.AUTHENTICATION_DAYS)
    deleted, _ = AuthenticationEvent.objects.filter(created_at__lt=end).delete()
    return deleted
