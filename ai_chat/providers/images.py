"""The image provider: OpenAI's images endpoint through the official SDK. What comes back is checked
here for its shape only; whether it is an image is `images/verify.py`'s business."""

import base64
import binascii
import json
import re
from typing import Any
from urllib.parse import unquote

from django.conf import settings

from ai_chat.providers.client import client
from ai_chat.providers.connections import Cancellable
from ai_chat.providers.errors import ProviderError
from ai_chat.providers.sdk_errors import error_of, provider_errors
from credits.models import AIModel, Provider
from credits.reasons import Reason

#: OpenAI's own models always send base64 and refuse the parameter that asks others for it.
ALWAYS_BASE64 = ("gpt-image", "chatgpt-image")
#: A file within its address; some send that as `b64_json` too.
DATA_ADDRESS = re.compile(
    r"\s*data:(image/|application/octet-stream\b)[^,]*;base64,", re.IGNORECASE
)
URL_SAFE = str.maketrans("-_", "+/")


def paint(
    *, model: AIModel, prompt: str, size: str, count: int, call: Cancellable
) -> list[bytes | Reason]:
    """At most `count` files as the provider sent them; for an entry without a file the reason. One
    with only an address is such: we fetch nothing from addresses that others choose. `call` ends it
    from another thread. Raises ProviderError; also for a body that is no JSON, too large, or not in
    IMAGE_SECONDS."""
    request: dict[str, Any] = {"model": model.provider_model, "prompt": prompt, "n": count}
    request |= {"size": size, "timeout": settings.IMAGE_SECONDS}
    if not model.provider_model.startswith(ALWAYS_BASE64):
        request["response_format"] = "b64_json"
    with provider_errors():
        answer = json.loads(_body(model.provider, call, request))
        if error := answer.get("error"):
            raise error_of(error)
        return [_file_of(entry) for entry in answer["data"][:count]]


def _body(provider: Provider, call: Cancellable, request: dict[str, Any]) -> bytes:
    """The answer's body, read piece by piece: neither its length nor its slowness is up to the
    provider."""
    room = request["n"] * settings.IMAGE_MAX_BYTES * 4 // 3 + 100_000
    body = bytearray()
    call.end_within(request["timeout"])
    with (
        call.calling(),
        client(provider).images.with_streaming_response.generate(**request) as response,
    ):
        for piece in response.iter_bytes():
            body += piece
            if len(body) > room:
                raise ProviderError(Reason.UNREADABLE, code="too_large")
    return bytes(body)


def _file_of(entry: Any) -> bytes | Reason:
    """The content of one entry, whichever way it came."""
    entry = entry if isinstance(entry, dict) else {}
    text, address = entry.get("b64_json"), entry.get("url")
    for value in (text, address):
        if isinstance(value, str) and (data := DATA_ADDRESS.match(value)):
            return _decoded(unquote(value[data.end() :]))
    if text and isinstance(text, str):
        return _decoded(text)
    return Reason.IMAGE_ADDRESS if isinstance(address, str) else Reason.EMPTY_RESULT


def _decoded(text: str) -> bytes | Reason:
    """Base64 in either alphabet, wrapped or not, padded or not."""
    text = "".join(text.split()).translate(URL_SAFE).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return Reason.INVALID_IMAGE
