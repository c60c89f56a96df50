"""The official SDK, set up as every call needs it."""

from functools import cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx2
import openai
from django.conf import settings

from ai_chat.providers.connections import make_cancellable
from ai_chat.providers.errors import known_keys
from credits.models import AIModel, Provider

CONNECT_SECONDS = 10


class Patience(NamedTuple):
    """Seconds for which a provider may say nothing: before its first sign of life, and between
    two."""

    first: float
    silence: float


def thinking_seconds(model: AIModel) -> int:
    """How long a model may think without a word, or a sign of life from its server; 0 for one that
    does not reason."""
    seconds: int = settings.THINKING_SECONDS
    return seconds if model.reasons or model.hides_reasoning else 0


def patience_with(model: AIModel) -> Patience:
    """How long a model may be silent."""
    thinking = thinking_seconds(model)
    return Patience(
        max(settings.FIRST_TOKEN_SECONDS, thinking), max(settings.SILENCE_SECONDS, thinking)
    )


def timeout_of(model: AIModel) -> httpx2.Timeout:
    """What bounds the connection of a call to a model."""
    return httpx2.Timeout(max(patience_with(model)), connect=CONNECT_SECONDS)


def client(provider: Provider) -> openai.OpenAI:
    """The client of a provider: one per process and address, as it pools its connections and is
    safe to share between threads. It never retries: a job is one call, and a failed call is
    refunded, not repeated. Nor does it follow redirects: the operator is to enter
    the new address."""
    if provider.key_is_set:
        known_keys.add(provider.key)
    return _client(provider.address, provider.key or "none")


@cache
def _client(base_url: str, api_key: str) -> openai.OpenAI:
    http = http_client(base_url)
    return openai.OpenAI(
        api_key=api_key, base_url=base_url, max_retries=0, timeout=http.timeout, http_client=http
    )


@cache
def http_client(base_url: str) -> httpx2.Client:
    """The HTTP client for calls of one address, of the SDK and of the gateway: its connections are
    kept, and can be ended from other threads."""
    patience = max(settings.FIRST_TOKEN_SECONDS, settings.SILENCE_SECONDS)
    timeout = httpx2.Timeout(patience, connect=CONNECT_SECONDS)
    http = openai.DefaultHttpxClient(timeout=timeout, follow_redirects=False, base_url=base_url)
    make_cancellable(http)
    return http


def limit_name(provider: Provider) -> str:
    """What bounds the tokens of an answer is called. OpenAI's newer models refuse `max_tokens`, and
    servers that speak its protocol may know nothing else."""
    is_openai = _speaks(provider, Provider.Dialect.OPENAI, ".openai.com")
    return "max_completion_tokens" if is_openai else "max_tokens"


def user_name(provider: Provider) -> str:
    """What a provider takes a name for the one who asks by; empty: it refuses one."""
    if _speaks(provider, Provider.Dialect.MISTRAL, ".mistral.ai"):
        return ""
    is_openai = _speaks(provider, Provider.Dialect.OPENAI, ".openai.com")
    return "safety_identifier" if is_openai else "user"


def usage_options(provider: Provider) -> dict[str, Any]:
    """What makes a stream end with its usage. Mistral sends it unasked, and refuses the option."""
    if _speaks(provider, Provider.Dialect.MISTRAL, ".mistral.ai"):
        return {}
    return {"stream_options": {"include_usage": True}}


def _speaks(provider: Provider, dialect: Provider.Dialect, domain: str) -> bool:
    host = urlsplit(provider.address).hostname or ""
    return provider.dialect == dialect or host.endswith(domain)
