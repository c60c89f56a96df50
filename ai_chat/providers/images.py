"""The image provider: OpenAI's images endpoint through the official SDK. What comes back is checked
here for its shape only; whether it is an image is `images/verify.py`'s business."""

import base64
import binascii
import json
import re
from typing import Any, NamedTuple
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
WEB_ADDRESS = re.compile(r"https?://[!-~]{1,4000}", re.ASCII)
URL_SAFE = str.maketrans("-_", "+/")


class Picture(NamedTuple):
    """What is asked for: `many` images of this size (WIDTHxHEIGHT)."""

    prompt: str
    size: str
    many: int


class Entry(NamedTuple):
    """One of the images as the provider sent it: its file, its address, or why there is none; and
    the prompt that the provider has made of ours, if it says so."""

    image: bytes | str | Reason
    revised_prompt: str = ""


def paint(
    *, model: AIModel, picture: Picture, call: Cancellable, addresses: bool = False
) -> list[Entry]:
    """At most as many images as are asked for. One with only an address is none, unless
    `addresses` are asked for: we fetch nothing from addresses that others choose. `call` ends it
    from another thread. Raises ProviderError; also for a body that is no JSON, too large, or not in
    IMAGE_SECONDS."""
    request: dict[str, Any] = {"model": model.provider_model, "prompt": picture.prompt}
    request |= {"n": picture.many, "size": picture.size, "timeout": settings.IMAGE_SECONDS}
    if not model.provider_model.startswith(ALWAYS_BASE64):
        request["response_format"] = "url" if addresses else "b64_json"
    with provider_errors():
        answer = json.loads(_body(model.provider, call, request))
        if error := answer.get("error"):
            raise error_of(error)
        entries = answer["data"][: picture.many]
        return [_entry_of(entry, addresses=addresses) for entry in entries]


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


def _entry_of(entry: Any, *, addresses: bool) -> Entry:
    """One entry, whichever way its file came."""
    entry = entry if isinstance(entry, dict) else {}
    revised = entry.get("revised_prompt")
    image = _image_of(entry, addresses=addresses)
    return Entry(image, revised if isinstance(revised, str) else "")


def _image_of(entry: dict[str, Any], *, addresses: bool) -> bytes | str | Reason:
    text, address = entry.get("b64_json"), entry.get("url")
    for value in (text, address):
        if isinstance(value, str) and (data := DATA_ADDRESS.match(value)):
            return _decoded(unquote(value[data.end() :]))
    if text and isinstance(text, str):
        return _decoded(text)
    if not isinstance(address, str):
        return Reason.EMPTY_RESULT
    return address if addresses and WEB_ADDRESS.fullmatch(address) else Reason.IMAGE_ADDRESS


def _decoded(text: str) -> bytes | Reason:
    """Base64 in either alphabet, wrapped or not, padded or not."""
    text = "".join(text.split()).translate(URL_SAFE).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return Reason.INVALID_IMAGE
