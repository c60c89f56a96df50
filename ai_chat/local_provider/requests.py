"""Reads request bodies: OpenAI's JSON in, checked requests out; ApiError (400, 404) otherwise."""

import json
import re
from dataclasses import replace
from typing import Any, cast

from ai_chat.local_provider.engine import ChatRequest, ImageRequest, Message, Role
from ai_chat.local_provider.errors import ApiError

TEXT_MODEL = "smollm2-135m"
IMAGE_MODEL = "tally-painter"

DEFAULT_MAX_TOKENS = 1024
DEFAULT_TEMPERATURE = 0.3
MAX_IMAGES = 4
MIN_SIDE, MAX_SIDE = 64, 2048

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object in a body."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise ApiError(400, "The body is not valid JSON.", code="invalid_json") from None
    if not isinstance(data, dict):
        raise ApiError(400, "The body must be a JSON object.", code="invalid_json")
    return data


def read_chat(data: dict[str, Any]) -> ChatRequest:
    """The chat request in a body's object."""
    _check_model(data.get("model"), TEXT_MODEL)
    if data.get("n") not in (None, 1):
        raise _invalid("n", "must be 1 for this model")
    options = data.get("stream_options")
    return ChatRequest(
        model=TEXT_MODEL,
        messages=_messages(data.get("messages")),
        temperature=_temperature(data.get("temperature")),
        max_tokens=_max_tokens(data),
        stream=data.get("stream") is True,
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
    )


def read_image(data: dict[str, Any]) -> ImageRequest:
    """The image request in a body's object."""
    _check_model(data.get("model", IMAGE_MODEL), IMAGE_MODEL)
    prompt = data.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise _invalid("prompt", "must be a text that is not empty")
    if data.get("response_format") not in (None, "b64_json"):
        raise _invalid("response_format", "can only be b64_json")
    count = 1 if data.get("n") is None else data["n"]
    if not _is_int(count) or not 1 <= count <= MAX_IMAGES:
        raise _invalid("n", f"must be a whole number from 1 to {MAX_IMAGES}")
    width, height = _size(data.get("size"))
    return ImageRequest(IMAGE_MODEL, _clean(prompt), count, width, height)


def replace_prompt(request: ChatRequest, text: str) -> ChatRequest:
    """The same request with another last user message."""
    messages = list(request.messages)
    for index in reversed(range(len(messages))):
        if messages[index].role == "user":
            messages[index] = Message("user", text)
            break
    return replace(request, messages=tuple(messages))


def _invalid(param: str, problem: str) -> ApiError:
    return ApiError(400, f"'{param}' {problem}.", code="invalid_value", param=param)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _clean(text: str) -> str:
    """Lone surrogates are legal in JSON and cannot be encoded: they become question marks."""
    return text.encode(errors="replace").decode()


def _check_model(model: object, expected: str) -> None:
    if not isinstance(model, str) or not model:
        raise _invalid("model", "must name a model")
    if model != expected:
        message = f"The model '{_clean(model)[:100]}' does not exist here or cannot do this."
        raise ApiError(404, message, code="model_not_found", param="model")


def _messages(value: object) -> tuple[Message, ...]:
    if not isinstance(value, list) or not value:
        raise _invalid("messages", "must be a list that is not empty")
    messages = tuple(_message(item, f"messages[{index}]") for index, item in enumerate(value))
    if not any(message.role == "user" for message in messages):
        raise _invalid("messages", "must hold a message of the role 'user'")
    return messages


def _message(value: object, where: str) -> Message:
    if not isinstance(value, dict):
        raise _invalid(where, "must be an object")
    role = value.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise _invalid(f"{where}.role", f"must be one of {', '.join(_ROLES)}")
    return Message(cast(Role, _ROLES[role]), _text(value.get("content"), f"{where}.content"))


def _text(content: object, where: str) -> str:
    if isinstance(content, str):
        return _clean(content)
    if not isinstance(content, list):
        raise _invalid(where, "must be a text or a list of parts")
    return "\n".join(_part(part, where) for part in content)


def _part(part: object, where: str) -> str:
    if isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str):
        return _clean(part["text"])
    raise _invalid(where, "can only hold parts of the type 'text': this model reads text only")


def _temperature(value: object) -> float:
    if value is None:
        return DEFAULT_TEMPERATURE
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 2:
        return float(value)
    raise _invalid("temperature", "must be a number from 0 to 2")


def _max_tokens(data: dict[str, Any]) -> int:
    param = "max_completion_tokens" if "max_completion_tokens" in data else "max_tokens"
    value = data.get(param)
    if value is None:
        return DEFAULT_MAX_TOKENS
    if not _is_int(value) or value < 1:
        raise _invalid(param, "must be a whole number of at least 1")
    return min(cast(int, value), 100_000)


def _size(value: object) -> tuple[int, int]:
    if value in (None, "auto"):
        return 1024, 1024
    match = (
        re.fullmatch(r"(\d{2,4})x(\d{2,4})", value, re.ASCII) if isinstance(value, str) else None
    )
    sides = (int(match[1]), int(match[2])) if match else (0, 0)
    if not all(MIN_SIDE <= side <= MAX_SIDE for side in sides):
        raise _invalid("size", f"must be WIDTHxHEIGHT, each from {MIN_SIDE} to {MAX_SIDE} pixels")
    return sides
