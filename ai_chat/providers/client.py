"""The official SDK, set up as every call needs it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from urllib.parse import urlsplit

import httpx2
import openai
from django.conf import settings


@cache
def client() -> openai.OpenAI:
    """One client per process: it pools its connections and is safe to share between threads. It
    never retries: a job is one call, and a failed call is refunded, not repeated."""
    patience = max(settings.FIRST_TOKEN_SECONDS, settings.SILENCE_SECONDS)
    return openai.OpenAI(
        api_key=settings.OPENAI_API_KEY,
        base_url=settings.OPENAI_BASE_URL,
        max_retries=0,
        timeout=httpx2.Timeout(patience, connect=10),
    )


def limit_name(base_url: str) -> str:
    """What bounds the tokens of an answer is called. OpenAI's newer models refuse `max_tokens`, and
    servers that speak its protocol may know nothing else."""
    is_openai = str(urlsplit(base_url).hostname).endswith(".openai.com")
    return "max_completion_tokens" if is_openai else "max_tokens"


class Cancellable:
    """A provider's call that another thread may end, so that nobody is worked for in vain."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._response: httpx2.Response | None = None
        self._cancelled = False

    @contextmanager
    def reading(self, response: httpx2.Response) -> Iterator[None]:
        """While the response is being read. Afterwards its connection may be another call's."""
        self._attach(response)
        try:
            yield
        finally:
            self._attach(None)

    def _attach(self, response: httpx2.Response | None) -> None:
        with self._lock:
            self._response = response
            if self._cancelled:
                self._shut_down()

    def cancel(self) -> None:
        with self._lock:
            self._cancelled = True
            self._shut_down()

    def _shut_down(self) -> None:
        # Closing a socket does not wake a thread that is reading it; shutting it down does.
        extensions = self._response.extensions if self._response else {}
        connection = extensions.get("network_stream")
        sock = connection.get_extra_info("socket") if connection else None
        if sock is not None:
            with suppress(OSError):  # It had ended already.
                sock.shutdown(socket.SHUT_RDWR)
