"""The reader's time zone: the browser's, which a script keeps in a cookie.

Pages are written in it; until the cookie is there, and below /api/ always, they are in UTC. Sums
that are kept by the day (UTC) are shown in UTC with their rows: `in_utc`."""

from collections.abc import Callable
from functools import cache, wraps
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

COOKIE = "tz"
#: Names in the database that are no zone, or that of the server's machine.
NO_ZONES = {"Factory", "localtime"}


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones() - NO_ZONES)


@cache
def _zone(name: str) -> ZoneInfo:
    """Another object than the default zone, UTC, also when it is the same: see `is_known`."""
    return ZoneInfo.no_cache(name)


def zone_of(name: str) -> ZoneInfo | None:
    """The zone of this name in the IANA database; None where it has none."""
    return _zone(name) if name in _zones() else None


def is_known() -> bool:
    """Whether times are shown in the zone that the reader's browser has told, not by default."""
    return timezone.get_current_timezone() is not timezone.get_default_timezone()


def zone_name() -> str:
    """The zone in which times are shown now, for people: `UTC`, `America/Los Angeles`."""
    return timezone.get_current_timezone_name().replace("_", " ")


class ZoneMiddleware:
    """Shows times in the reader's zone while a page is made."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        is_api = request.path.startswith("/api/")
        zone = None if is_api else zone_of(request.COOKIES.get(COOKIE, ""))
        with timezone.override(zone):
            return self.get_response(request)


def in_utc[V: Callable[..., HttpResponseBase]](view: V) -> V:
    """For views of what is summed by days in UTC: their rows and filters are in UTC too."""

    @wraps(view)
    def wrapped(*args: Any, **kwargs: Any) -> HttpResponseBase:
        with timezone.override(None):
            return view(*args, **kwargs)

    return wrapped  # type: ignore[return-value]
