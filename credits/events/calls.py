"""One HTTP call to a webhook: bounded in time and size, to public addresses alone. Redirects are
not followed, proxies of the environment are not used, and of the answer only the status is read."""

import logging
import ssl
import time
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import httpcore2

from credits.events.addresses import AddressRefused, NoAddress, parse, public_addresses
from credits.models import WebhookAttempt

logger = logging.getLogger(__name__)

#: Seconds for connecting to one address, and for the whole call.
CONNECT_SECONDS, CALL_SECONDS = 5.0, 15.0

Failure = WebhookAttempt.Failure


class Call(NamedTuple):
    """What is sent. The worker prepares it, so that whoever sends it needs no database."""

    url: str
    headers: Mapping[str, str]
    body: bytes


class Outcome(NamedTuple):
    """How a call ended; `status` is None where no answer came."""

    status: int | None
    failure: str
    milliseconds: int


def post(call: Call) -> Outcome:
    """Makes the call. It raises nothing: what went wrong is in the outcome."""
    start = time.monotonic()
    status, failure = None, Failure.NONE
    try:
        status = _status_of(call, start + CALL_SECONDS)
        failure = Failure.NONE if 200 <= status < 300 else Failure.STATUS
    except NoAddress:
        failure = Failure.NO_ADDRESS
    except AddressRefused:
        failure = Failure.REFUSED
    except httpcore2.TimeoutException:
        failure = Failure.TIMEOUT
    except httpcore2.ConnectError as error:
        # The pool drops the cause; the first argument is the error of the socket.
        is_tls = any(isinstance(cause, ssl.SSLError) for cause in error.args)
        failure = Failure.TLS if is_tls else Failure.CONNECT
    except (httpcore2.NetworkError, httpcore2.ProtocolError):
        failure = Failure.BROKEN
    except Exception:
        # Nobody foresaw it. The attempt has failed like any other: else it would be made for ever.
        logger.exception("A call to a webhook failed")
        failure = Failure.BROKEN
    return Outcome(status, failure, int((time.monotonic() - start) * 1000))


def _status_of(call: Call, deadline: float) -> int:
    target = parse(call.url)
    url = httpcore2.URL(
        scheme=target.scheme, host=target.host, port=target.port, target=target.path
    )
    length = str(len(call.body))
    headers = [("Host", target.authority), ("Content-Length", length), *call.headers.items()]
    backend = _PublicBackend(deadline)
    pool = httpcore2.ConnectionPool(ssl_context=_trusted(), network_backend=backend)
    with pool, pool.stream("POST", url, headers=headers, content=call.body) as answer:
        return answer.status  # Leaving closes the connection, whatever else it would have sent.


@cache
def _trusted() -> ssl.SSLContext:
    """The certificates that are trusted, read once: they take milliseconds."""
    return httpcore2.default_ssl_context()


class _PublicBackend(httpcore2.SyncBackend):
    """Connects to public addresses alone, until a deadline (of `time.monotonic`)."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline

    def connect_tcp(
        self, host: str, port: int, *args: Any, **options: Any
    ) -> httpcore2.NetworkStream:
        addresses = public_addresses(host, port, seconds=_left(self.deadline))
        for place, address in enumerate(addresses, 1):
            timeout = min(_left(self.deadline), CONNECT_SECONDS)
            try:
                stream = super().connect_tcp(address, port, timeout=timeout)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if place == len(addresses):
                    raise
            else:
                return _BoundedStream(stream, self.deadline)
        raise NoAddress


class _BoundedStream(httpcore2.NetworkStream):
    """A connection that ends at a deadline: a timeout of each read would not bound an answer that
    comes byte by byte."""

    def __init__(self, inner: httpcore2.NetworkStream, deadline: float) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(self._deadline))

    def close(self) -> None:
        self._inner.close()

    def start_tls(self, *args: Any, **options: Any) -> httpcore2.NetworkStream:
        options["timeout"] = _left(self._deadline)
        return _BoundedStream(self._inner.start_tls(*args, **options), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _left(deadline: float) -> float:
    """Seconds until the deadline. Raises what a connection raises when it is over."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore2.ReadTimeout
    return left
