"""Which models a server of OpenAI's protocol says it has: `GET /models`."""

import json
import time
from urllib.parse import urlsplit

import httpx2

from credits.models import Provider

#: The most bytes of a list, models of it, and characters of a model's id.
MAX_LIST_BYTES = 5_000_000
MAX_MODELS = 2_000
MAX_ID_CHARACTERS = 120


class NoList(Exception):
    """No server answers at the address, or not with a list of models."""


def list_models(base_url: str, *, key: str = "", seconds: float = 10) -> list[str]:
    """The ids of the models at `base_url` (`https://…/v1`), at most MAX_MODELS of them, in the
    server's order. No redirect is followed; the whole answer has `seconds`. Raises NoList."""
    try:
        listed = json.loads(_body(f"{base_url}/models", key, seconds))
        ids = [model["id"] for model in listed["data"]]
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        raise NoList(type(error).__name__) from error
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise NoList("no list of models") from error
    return list(dict.fromkeys(filter(_is_id, ids)))[:MAX_MODELS]


def models_of(provider: Provider) -> list[str]:
    """The ids of the models that a provider of the catalogue says it has. Raises NoList."""
    return list_models(provider.address, key=provider.key)


def _body(url: str, key: str, seconds: float) -> bytes:
    """Raises NoList, ValueError where there is too much, and what httpx2 raises."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    client = httpx2.Client(timeout=seconds, follow_redirects=False, trust_env=not _is_local(url))
    deadline = time.monotonic() + seconds
    with client, client.stream("GET", url, headers=headers) as response:
        if response.status_code != httpx2.codes.OK:
            raise NoList(f"status {response.status_code}")
        body = b""
        for piece in response.iter_bytes():
            body += piece
            if len(body) > MAX_LIST_BYTES:
                raise ValueError("The list is too long.")
            # The timeout of httpx2 begins anew with each piece.
            if time.monotonic() > deadline:
                raise NoList("it took too long")
        return body


def _is_local(url: str) -> bool:
    """Whether it names this machine: a proxy of the environment cannot reach it."""
    return urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1"}


def _is_id(value: object) -> bool:
    return (
        isinstance(value, str)
        and value.isprintable()
        and value.strip() == value
        and 0 < len(value) <= MAX_ID_CHARACTERS
    )
