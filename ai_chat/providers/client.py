"""The official SDK, set up as every call needs it."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from urllib.parse import urlsplit

import httpx2
import openai
from django.conf import settings

from credits.models import Provider


def client(provider: Provider) -> openai.OpenAI:
    """The client of a provider: one per process and address, as it pools its connections and is
    safe to share between threads. It never retries: a job is one call, and a failed call is
    refunded, not repeated."""
    key = os.environ.get(provider.key_variable, "") or "none"
    return _client(provider.base_url or settings.OPENAI_BASE_URL, key)


@cache
def _client(base_url: str, api_key: str) -> openai.OpenAI:
    patience = max(settings.FIRST_TOKEN_SECONDS, settings.SILENCE_SECONDS)
    return openai.OpenAI(
        api_key=api_key,
        base_url=base_url,
        max_retries=0,
        timeout=httpx2.Timeout(patience, connect=10),
    )


def limit_name(provider: Provider) -> str:
    """What bounds the tokens of an answer is called. OpenAI's newer models refuse `max_tokens`, and
    servers that speak its protocol may know nothing else."""
    host = str(urlsplit(provider.base_url or settings.OPENAI_BASE_URL).hostname)
    is_openai = provider.dialect == Provider.Dialect.OPENAI or host.endswith(".openai.com")
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
