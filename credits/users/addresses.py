"""Where a request comes from, for counting what comes from one place."""

from ipaddress import IPv6Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest

UNKNOWN = "0.0.0.0"  # noqa: S104  (nothing listens here)


def client_address(request: HttpRequest) -> str:
    """The peer's address; behind a trusted proxy the last one in X-Forwarded-For, which the proxy
    wrote: those before it are the client's own words. Of IPv6 the network, as one address."""
    address = request.META.get("REMOTE_ADDR", "")
    if settings.TRUSTED_PROXY:
        header = request.headers.get("X-Forwarded-For", "")
        address = header.rpartition(",")[2].strip() or address
    try:
        parsed = ip_address(address)
    except ValueError:
        return UNKNOWN
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        # One household or server gets at least a /64: its addresses count as one.
        return str(ip_network((parsed, 64), strict=False).network_address)
    return str(parsed)
