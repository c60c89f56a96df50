"""Client addresses: where a request comes from, for counting what comes from one place."""

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from django.conf import settings
from django.http import HttpRequest

UNKNOWN = "0.0.0.0"  # noqa: S104  (nothing listens here)


def client_address(request: HttpRequest) -> str:
    """The client address of a request: see `address_in`."""
    return address_in(request.META)


def address_in(environ: Mapping[str, Any]) -> str:
    """The peer's address in a WSGI environ; behind a trusted proxy the last address in
    X-Forwarded-For, which the proxy wrote: the client may have written those before it. An IPv6
    address is counted by its /64 network, which is the least that one household or server gets."""
    address = environ.get("REMOTE_ADDR", "")
    if settings.TRUSTED_PROXY:
        forwarded = environ.get("HTTP_X_FORWARDED_FOR", "")
        address = forwarded.rpartition(",")[2].strip() or address
    try:
        parsed = ip_address(address)
    except ValueError:
        return UNKNOWN
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ip_network((parsed, 64), strict=False).network_address)
    return str(parsed)
