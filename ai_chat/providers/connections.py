"""Connections to providers that another thread may end: in every phase of a call, not only while
its answer is read."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import httpcore2
import httpx2

_thread = threading.local()
#: Guards which connection carries which call.
_lock = threading.Lock()


class Cancellable:
    """A provider's call that another thread may end."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        #: The connection that carries this call, or did.
        self.stream: _Stream | None = None
        #: The connection that is being made for it.
        self.connecting: Future[httpcore2.NetworkStream] | None = None
        self._deadline = float("inf")

    @contextmanager
    def calling(self) -> Iterator[None]:
        """While this thread makes the call: what it sends and reads over `cancellable` clients
        belongs to it."""
        _thread.call = self
        try:
            yield
        finally:
            _thread.call = None
            with _lock:
                # The pool may have given it to the next call, which has not used it yet.
                if self.stream and self.stream.call is self:
                    self.stream.call = None
                self.stream = None

    def cancel(self) -> None:
        """Ends the call, now or before it is sent. May be called at any time, also twice."""
        self.cancelled.set()
        with _lock:
            if self.connecting:
                self.connecting.cancel()
            # The connection may be another call's by now.
            if self.stream and self.stream.call is self:
                self.stream.shut_down()

    def end_within(self, seconds: float | None) -> None:
        """Bounds what is read from now on; None: as long as it takes."""
        self._deadline = float("inf") if seconds is None else time.monotonic() + seconds

    def time_left(self, timeout: float | None) -> float | None:
        """The seconds that the next step may take. Raises what a connection raises: when the call
        was cancelled, or its time is over."""
        if self.cancelled.is_set():
            raise httpcore2.ReadError("The call was cancelled.")
        if self._deadline == float("inf"):
            return timeout
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise httpcore2.ReadTimeout
        return left if timeout is None else min(timeout, left)


class _Stream(httpcore2.NetworkStream):
    """A connection with the call that it carries."""

    def __init__(self, inner: httpcore2.NetworkStream) -> None:
        self._inner = inner
        self.call: Cancellable | None = None

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._carry(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._carry(timeout))

    def _carry(self, timeout: float | None) -> float | None:
        call = getattr(_thread, "call", None)
        if self.call is not call:
            with _lock:
                self.call = call
                if call:
                    call.stream = self
        return call.time_left(timeout) if call else timeout

    def close(self) -> None:
        self._inner.close()

    def start_tls(self, *args: Any, **kwargs: Any) -> httpcore2.NetworkStream:
        return _connected(partial(self._inner.start_tls, *args, **kwargs))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    def shut_down(self) -> None:
        # Closing a socket does not wake a thread that is reading it; shutting it down does. By the
        # class: that of an encrypted one would first wait for that thread.
        with suppress(OSError):  # It had ended already.
            socket.socket.shutdown(self.get_extra_info("socket"), socket.SHUT_RDWR)


class _Backend(httpcore2.SyncBackend):
    def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore2.NetworkStream:
        return _connected(partial(super().connect_tcp, *args, **kwargs))


def _connected(connect: Callable[[], httpcore2.NetworkStream]) -> _Stream:
    """A connection. Looking up a name, connecting and agreeing on a cipher cannot be interrupted:
    for a call a thread of its own does them, and what it brings too late is closed."""
    call: Cancellable | None = getattr(_thread, "call", None)
    if call is None:
        return _Stream(connect())
    future: Future[httpcore2.NetworkStream] = Future()
    with _lock:
        call.connecting = future
    call.time_left(None)
    try:
        threading.Thread(target=_connect, args=[connect, future], daemon=True).start()
        return _Stream(future.result())
    except (CancelledError, RuntimeError) as error:  # Cancelled, or there is no thread left.
        raise httpcore2.ConnectError(type(error).__name__) from error


def _connect(
    connect: Callable[[], httpcore2.NetworkStream], future: Future[httpcore2.NetworkStream]
) -> None:
    try:
        stream = connect()
    except Exception as error:  # noqa: BLE001 -- raised where it is waited for
        if future.set_running_or_notify_cancel():
            future.set_exception(error)
        return
    if future.set_running_or_notify_cancel():
        future.set_result(stream)
    else:
        stream.close()


def make_cancellable(client: httpx2.Client) -> None:
    """Lets `Cancellable` end the calls of a client, also those through the proxies that the
    environment names. httpx2 has no option for it."""
    for transport in [client._transport, *client._mounts.values()]:  # noqa: SLF001
        if isinstance(transport, httpx2.HTTPTransport):
            transport._pool._network_backend = _Backend()  # noqa: SLF001
