"""Addresses of webhooks. They are anybody's text, and this site connects to them from inside its
network: only public addresses are taken (OWASP: server-side request forgery). A name is looked up
anew at every connection, and the connection goes to the address that was judged: a name may have
another one a moment later."""

import re
import socket
from concurrent.futures import Future
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from threading import Thread
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import idna
from django.conf import settings

from config.errors import InvalidInput

LONGEST = 500
PORTS = {443, 8443}
#: Addresses of one name that are tried.
TRIED = 4
#: Seconds for looking up a name.
LOOKUP_SECONDS = 5.0

GLOBAL_UNICAST = ip_network("2000::/3")
#: Its last 32 bits are an IPv4 address that a gateway connects to (RFC 6052).
NAT64 = ip_network("64:ff9b::/96")
#: Global by their numbers alone: relays to 6to4 (RFC 7526), a cloud's service to its machines, IPv6
#: that leads to an IPv4 address within it (6to4, Teredo), and documentation (RFC 9637).
_APART = ("192.88.99.0/24", "168.63.129.16/32", "2002::/16", "2001::/32", "3fff::/20")
NOT_PUBLIC = [*map(ip_network, _APART)]
FORMS = "It must begin with https:// and have no user name, password or fragment."


class AddressRefused(InvalidInput):
    """No webhook may be at this address."""

    path = ("url",)


class NotPublic(AddressRefused):
    """The host is in a private network, or is no single machine of the internet."""

    def __init__(self) -> None:
        super().__init__("Its host must be at a public address.")


class NoAddress(AddressRefused):
    """The host's name has no address, or none came in LOOKUP_SECONDS."""

    def __init__(self) -> None:
        super().__init__("Its host has no address.")


class Target(NamedTuple):
    """An address in its parts; `host` as the wire has it, `path` with the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def is_usual_port(self) -> bool:
        return self.port == {"https": 443, "http": 80}[self.scheme]

    @property
    def authority(self) -> str:
        """Host and port, as the header `Host` and an address have them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.is_usual_port else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


def parse(url: str) -> Target:
    """The parts of a webhook's address. Raises AddressRefused with a sentence for people."""
    if len(url) > LONGEST:
        raise AddressRefused(f"It may have {LONGEST} characters at most.")
    if re.search(r"[\s\\\x00-\x20\x7f-\x9f]", url):
        raise AddressRefused("It may have no blanks, control characters or backslashes.")
    schemes = {"https", "http"} if settings.WEBHOOKS_TO_ANY_ADDRESS else {"https"}
    try:
        parts = urlsplit(url)
        port = parts.port
        host = _wire_host(parts.hostname or "", is_ip="[" in parts.netloc)
    except ValueError:  # A port that is no number, a bracket that is not closed, no name.
        raise AddressRefused(FORMS) from None
    if parts.scheme not in schemes or not host or port == 0 or "@" in parts.netloc or "#" in url:
        raise AddressRefused(FORMS)
    port = port or {"https": 443, "http": 80}[parts.scheme]
    if port not in PORTS and not settings.WEBHOOKS_TO_ANY_ADDRESS:
        raise AddressRefused("Its port must be 443 or 8443.")
    query = f"?{parts.query}" if parts.query else ""
    path = quote((parts.path or "/") + query, safe="%/:?@!$&'()*+,;=-._~[]")
    return Target(parts.scheme, host, port, path)


def _wire_host(host: str, *, is_ip: bool) -> str:
    """The host in ASCII (IDNA 2008). Raises ValueError."""
    if is_ip:
        if "%" in host:  # A zone names an interface of this machine.
            raise ValueError(host)
        return str(IPv6Address(host))
    if re.fullmatch(r"[a-z0-9._-]+", host):
        return host
    # Also full-width letters and dots, which mean the plain ones (UTS 46).
    return idna.encode(host, uts46=True).decode()


def check(url: str) -> str:
    """The address as it is kept: its host in ASCII. Raises AddressRefused."""
    target = parse(url)
    if len(target.url) > LONGEST:
        raise AddressRefused(f"It may have {LONGEST} characters at most.")
    public_addresses(target.host, target.port)
    return target.url


def public_addresses(host: str, port: int, *, seconds: float = LOOKUP_SECONDS) -> list[str]:
    """The addresses of a host, if all of them are public. Raises NotPublic, NoAddress."""
    addresses = _look_up(host, port, min(seconds, LOOKUP_SECONDS))
    if not settings.WEBHOOKS_TO_ANY_ADDRESS and not all(map(is_public, addresses)):
        raise NotPublic
    return addresses[:TRIED]


def is_public(address: str) -> bool:
    """Whether this IP address is one machine's on the internet, however it is written."""
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv6Address):
        if ip in NAT64:
            return is_public(str(IPv4Address(int(ip) & 0xFFFFFFFF)))
        if ip.scope_id or ip not in GLOBAL_UNICAST:
            return False
    if any(ip in network for network in NOT_PUBLIC if network.version == ip.version):
        return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def _look_up(host: str, port: int, seconds: float) -> list[str]:
    """Raises NoAddress. A lookup cannot be interrupted: a thread of its own does it, and is left
    to its end when it takes too long."""
    future: Future[list[str]] = Future()

    def ask() -> None:
        try:
            rows: list[Any] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            future.set_result(list(dict.fromkeys(row[4][0] for row in rows)))
        except (OSError, UnicodeError) as error:  # A label may be longer than a name allows.
            future.set_exception(error)

    try:
        Thread(target=ask, daemon=True).start()
        addresses = future.result(seconds)
    except (OSError, UnicodeError, RuntimeError):  # TimeoutError too; no thread is left.
        raise NoAddress from None
    if not addresses:
        raise NoAddress
    return addresses
