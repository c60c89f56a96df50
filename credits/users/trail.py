"""The record of authentication events (`AuthenticationEvent`)."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from config.addresses import client_address
from credits.models import AuthenticationEvent, User

Kind = AuthenticationEvent.Kind


def record(kind: str, *, user: User | None, request: HttpRequest | None = None) -> None:
    """Records an event with the client address and program of its request, if there is one."""
    write(kind, user=user, **origin_of(request))


def write(kind: str, *, user: User | None, address: str, device: str) -> None:
    """Records an event of a request that is over."""
    AuthenticationEvent.objects.create(user=user, kind=kind, address=address, device=device)


def signed_in(*, user: User, request: HttpRequest, **_: Any) -> None:
    """Receiver of `user_logged_in`, whoever signs in and how."""
    record(Kind.SIGNED_IN, user=user, request=request)


def signed_out(*, user: User | None, request: HttpRequest, **_: Any) -> None:
    """Receiver of `user_logged_out`, which is sent for visitors too."""
    if user is not None:
        record(Kind.SIGNED_OUT, user=user, request=request)


def origin_of(request: HttpRequest | None) -> dict[str, str]:
    """The `address` and `device` of an event: those of its request, empty without one."""
    if request is None:
        return {"address": "", "device": ""}
    return {"address": client_address(request), "device": device_of(request)}


def device_of(request: HttpRequest) -> str:
    """The User-Agent of a request: its printable characters, 200 at most."""
    agent = request.headers.get("User-Agent", "")
    return "".join(character for character in agent if character.isprintable())[:200]


def forget() -> int:
    """Deletes the events that are older than AUTHENTICATION_DAYS, and returns how many."""
    end = timezone.now() - timedelta(days=settings.AUTHENTICATION_DAYS)
    deleted, _ = AuthenticationEvent.objects.filter(created_at__lt=end).delete()
    return deleted
