"""The text provider: any server that speaks OpenAI's chat completions, through the official SDK."""

import codecs
import socket
import threading
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Literal, TypedDict
from urllib.parse import urlsplit

import httpx2
import openai
from django.conf import settings

#: What errors about the content are called by OpenAI and others.
REFUSALS = {"content_policy_violation", "moderation_blocked", "content_filter"}


class Message(TypedDict):
    role: Literal["system", "user", "assistant"]
    content: str


class ProviderError(Exception):
    """The provider failed: an error status, a broken connection, an unreadable or
    unfinished answer."""


class ProviderTimeout(ProviderError):
    """The provider did not answer in time."""


class ProviderRefusal(ProviderError):
    """The provider declined to answer."""


def failure_of(error: openai.APIError) -> ProviderError:
    """What an error that the provider sent comes to."""
    if str(error.code) in REFUSALS:  # Whatever JSON came.
        return ProviderRefusal()
    return ProviderError(type(error).__name__)


@cache
def client() -> openai.OpenAI:
    """One client per process: it pools its connections and is safe to share between threads.

    It never retries by itself: a turn is one call, and a failed call is refunded, not repeated.
    """
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


class AnswerStream:
    """The tokens of one answer, from a provider call that another thread may cancel."""

    def __init__(self, *, model: str, messages: list[Message], temperature: float | None) -> None:
        self._request: dict[str, Any] = {
            "model": model,
            "messages": messages,
            limit_name(settings.OPENAI_BASE_URL): settings.ANSWER_MAX_TOKENS,
            "stream": True,
        }
        if temperature is not None:
            self._request["temperature"] = temperature
        self._lock = threading.Lock()
        self._response: httpx2.Response | None = None
        self._cancelled = False

    def __iter__(self) -> Iterator[str]:
        """Yields text as it comes.

        Raises ProviderError; a stream that ends without a finish reason was cut, and is one.
        """
        try:
            yield from storable(self._tokens())
        except openai.APITimeoutError as error:
            raise ProviderTimeout from error
        except openai.APIError as error:
            raise failure_of(error) from error
        except (openai.OpenAIError, httpx2.HTTPError, httpx2.StreamError, OSError) as error:
            raise ProviderError(type(error).__name__) from error
        except (ValueError, TypeError, AttributeError, LookupError) as error:
            # The SDK hands over whatever JSON came, unchecked: garbage shows here.
            raise ProviderError("unreadable answer") from error

    def _tokens(self) -> Iterator[str]:
        stream = client().chat.completions.create(**self._request)
        finished = False
        with stream:
            self._register(stream.response)
            for chunk in stream:
                # Gateways send figures and signs of life without choices, and an end without delta.
                for choice in (chunk.choices or [])[:1]:
                    finished = finished or bool(choice.finish_reason)
                    delta = choice.delta
                    if choice.finish_reason == "content_filter" or (delta and delta.refusal):
                        raise ProviderRefusal
                    if delta and delta.content:
                        yield _text(delta.content)
        if not finished:
            raise ProviderError("unfinished answer")

    def _register(self, response: httpx2.Response) -> None:
        with self._lock:
            self._response = response
            if self._cancelled:
                self._shut_down()

    def cancel(self) -> None:
        """Ends the call from another thread, so that the provider stops working for nobody."""
        with self._lock:
            self._cancelled = True
            if self._response is not None:
                self._shut_down()

    def _shut_down(self) -> None:
        # Closing a socket does not wake a thread that is reading it; shutting it down does.
        assert self._response is not None
        connection = self._response.extensions.get("network_stream")
        sock = connection.get_extra_info("socket") if connection else None
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # It had ended already.


def _text(content: object) -> str:
    if not isinstance(content, str):
        raise ProviderError("unreadable answer")
    return content


def storable(tokens: Iterable[str]) -> Iterator[str]:
    """The same text without what JSON can say and no database keeps: a NUL goes, the halves of a
    character that came in two tokens are joined, and a half alone becomes U+FFFD."""
    decoder = codecs.getincrementaldecoder("utf-16-le")("replace")
    for token in tokens:
        if whole := decoder.decode(token.encode("utf-16-le", "surrogatepass")).replace("\0", ""):
            yield whole
    if half := decoder.decode(b"", final=True):
        yield half
