"""OpenAI's wire format: JSON bodies in, checked; answers, the events of streams and errors out."""

import base64
import json
import math
import re
import secrets
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, cast

from ai_chat.local_provider.engine import (
    ChatRequest,
    Done,
    EmbeddingsRequest,
    Event,
    ImageRequest,
    Message,
    Role,
    Thought,
    Vector,
)

TEXT_MODEL = "smollm2-135m"
IMAGE_MODEL = "tally-painter"
EMBEDDING_MODEL = "smollm2-135m-embed"
MODELS = (TEXT_MODEL, IMAGE_MODEL, EMBEDDING_MODEL)

DEFAULT_MAX_TOKENS, HIGHEST_MAX_TOKENS = 1024, 100_000
# A model this small answers best with what it finds most likely.
DEFAULT_TEMPERATURE = 0.0
MAX_IMAGES = 4
MIN_SIDE, MAX_SIDE = 64, 2048
MAX_INPUTS = 2048  # OpenAI's
#: The numbers of a vector of SmolLM2.
DIMENSIONS = 576

COMMENT = b": still here\n\n"
GARBAGE = b'{"id": "broken", "data": [{"b64_json": "iVBOR'
GARBAGE_EVENT = b"data: " + GARBAGE + b"\n\n"

# OpenAI's type of a model has a date; these models have none that means anything.
_MODELS_CREATED = 1_730_000_000
_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_ERROR_TYPES = {
    HTTPStatus.UNAUTHORIZED: "authentication_error",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
    HTTPStatus.INTERNAL_SERVER_ERROR: "server_error",
}


class ApiError(Exception):
    """An answer other than success: an HTTP status and OpenAI's error object."""

    def __init__(
        self, status: int, message: str, *, code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = HTTPStatus(status)
        self.code = code
        self.param = param

    def body(self) -> dict[str, Any]:
        """The JSON body, which is also what an error inside a stream looks like."""
        kind = _ERROR_TYPES.get(self.status, "invalid_request_error")
        error = {"message": str(self), "type": kind, "param": self.param, "code": self.code}
        return {"error": error}


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object in a body. Raises ApiError (400)."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise ApiError(400, "The body is not valid JSON.", code="invalid_json") from None
    if not isinstance(data, dict):
        raise ApiError(400, "The body must be a JSON object.", code="invalid_json")
    return data


def read_chat(data: dict[str, Any]) -> ChatRequest:
    """The chat request in a body's object. Raises ApiError (400, 404)."""
    _check_model(data.get("model"), TEXT_MODEL)
    if data.get("n") not in (None, 1):
        raise _invalid("n", "must be 1 for this model")
    options = data.get("stream_options")
    tokens = "max_completion_tokens" if "max_completion_tokens" in data else "max_tokens"
    return ChatRequest(
        model=TEXT_MODEL,
        messages=_messages(data.get("messages")),
        temperature=_temperature(data.get("temperature")),
        max_tokens=min(_count(data, tokens, DEFAULT_MAX_TOKENS), HIGHEST_MAX_TOKENS),
        stream=data.get("stream") is True,
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
    )


def read_image(data: dict[str, Any]) -> ImageRequest:
    """The image request in a body's object. Raises ApiError (400, 404)."""
    _check_model(data.get("model", IMAGE_MODEL), IMAGE_MODEL)
    prompt = data.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise _invalid("prompt", "must be a text that is not empty")
    if data.get("response_format") not in (None, "b64_json"):
        raise _invalid("response_format", "can only be b64_json")
    count = _count(data, "n", 1, highest=MAX_IMAGES)
    width, height = _size(data.get("size"))
    return ImageRequest(IMAGE_MODEL, _clean(prompt), count, width, height)


def read_embeddings(data: dict[str, Any]) -> EmbeddingsRequest:
    """The request for embeddings in a body's object. Raises ApiError (400, 404)."""
    _check_model(data.get("model"), EMBEDDING_MODEL)
    form = data.get("encoding_format")
    if form not in (None, "float", "base64"):
        raise _invalid("encoding_format", "must be float or base64")
    return EmbeddingsRequest(
        model=EMBEDDING_MODEL,
        inputs=_inputs(data.get("input")),
        dimensions=_count(data, "dimensions", DIMENSIONS, highest=DIMENSIONS),
        as_base64=form == "base64",
    )


def _inputs(value: object) -> tuple[str | tuple[int, ...], ...]:
    """A text, a list of texts, a list of tokens, or a list of such lists."""
    values = [value] if isinstance(value, str) or _are_tokens(value) else value
    if not isinstance(values, list) or not 1 <= len(values) <= MAX_INPUTS:
        raise _invalid("input", f"must be a text, tokens, or a list of 1 to {MAX_INPUTS} of them")
    return tuple(_input(item, f"input[{index}]") for index, item in enumerate(values))


def _input(value: object, where: str) -> str | tuple[int, ...]:
    if isinstance(value, str) and value:
        return _clean(value)
    if isinstance(value, list) and _are_tokens(value):
        return tuple(value)
    raise _invalid(where, "must be a text or a list of tokens that is not empty")


def _are_tokens(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_token, value))


def _is_token(value: object) -> bool:
    # A boolean is an int of Python's; llama.cpp cuts larger numbers to 32 bits.
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31


def _invalid(param: str, problem: str) -> ApiError:
    return ApiError(400, f"'{param}' {problem}.", code="invalid_value", param=param)


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
    role, content = value.get("role"), value.get("content")
    if not isinstance(role, str) or role not in _ROLES:
        raise _invalid(f"{where}.role", f"must be one of {', '.join(_ROLES)}")
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    if not isinstance(content, list):
        raise _invalid(f"{where}.content", "must be a text or a list of parts")
    text = "\n".join(_part(part, f"{where}.content") for part in content)
    return Message(cast(Role, _ROLES[role]), text)


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


def _count(data: dict[str, Any], param: str, default: int, *, highest: int | None = None) -> int:
    value = default if data.get(param) is None else data[param]
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= (highest or value):
        return value
    limits = f"from 1 to {highest}" if highest else "of at least 1"
    raise _invalid(param, f"must be a whole number {limits}")


def _size(value: object) -> tuple[int, int]:
    if value in (None, "auto"):
        return 1024, 1024
    match = re.fullmatch(r"(\d{2,4})x(\d{2,4})", value if isinstance(value, str) else "", re.ASCII)
    sides = (int(match[1]), int(match[2])) if match else (0, 0)
    if not all(MIN_SIDE <= side <= MAX_SIDE for side in sides):
        raise _invalid("size", f"must be WIDTHxHEIGHT, each from {MIN_SIDE} to {MAX_SIDE} pixels")
    return sides


def encode(data: dict[str, Any]) -> bytes:
    """JSON in ASCII."""
    return json.dumps(data).encode()


def event(data: dict[str, Any]) -> bytes:
    """One server-sent event."""
    return b"data: " + encode(data) + b"\n\n"


def _now() -> int:
    return int(time.time())


def _counts(read: int, written: int, cached: int = 0, reasoning: int = 0) -> dict[str, Any]:
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


#: What may stand instead of the tokens that were counted.
FALSE_USAGE: dict[str, Callable[[dict[str, Any]], dict[str, Any] | None]] = {
    "none": lambda _: None,
    "zero": lambda _: _counts(0, 0),
    "huge": lambda _: _counts(5_000_000, 5_000_000),  # above every bound, and yet possible
    "negative": lambda _: _counts(-1, -1),
    "total": lambda counts: {**counts, "total_tokens": counts["total_tokens"] + 7},
}


def _usage(done: Done) -> dict[str, Any]:
    """The member of an answer with its tokens; empty if there is to be none."""
    counts = _counts(
        done.prompt_tokens, done.completion_tokens, done.cached_tokens, done.reasoning_tokens
    )
    said = FALSE_USAGE[done.false_usage](counts) if done.false_usage else counts
    return {"usage": said} if said else {}


@dataclass(frozen=True)
class Completion:
    """What all chunks of an answer share, and its whole body."""

    model: str
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=_now)

    def chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        """The event of one piece of a streamed answer."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return event(self._envelope("chat.completion.chunk", [choice]))

    def ending(self, done: Done, *, with_usage: bool) -> bytes:
        """The events after the last piece of text, up to `[DONE]`."""
        pieces = [self.chunk({}, done.finish_reason)]
        if done.refusal is not None:
            pieces.insert(0, self.chunk({"refusal": done.refusal}))
        if with_usage and (usage := _usage(done)):
            pieces.append(event({**self._envelope("chat.completion.chunk", []), **usage}))
        return b"".join([*pieces, b"data: [DONE]\n\n"])

    def whole(self, units: list[Event], done: Done) -> dict[str, Any]:
        """The body of an answer that is not streamed."""
        text = "".join(unit for unit in units if isinstance(unit, str))
        thoughts = "".join(unit.text for unit in units if isinstance(unit, Thought))
        content = text if text or done.refusal is None else None
        message = {"role": "assistant", "content": content, "refusal": done.refusal}
        choice = {
            "index": 0,
            "message": {**message, **({"reasoning_content": thoughts} if thoughts else {})},
            "logprobs": None,
            "finish_reason": done.finish_reason,
        }
        return {**self._envelope("chat.completion", [choice]), **_usage(done)}

    def _envelope(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        shared = {"id": self.id, "object": kind, "created": self.created, "model": self.model}
        return {**shared, "choices": choices}


def images(units: list[Event], done: Done) -> dict[str, Any]:
    """The body of an answer with pictures. Raises ApiError (400) for a refusal."""
    if done.refusal is not None:
        raise ApiError(400, done.refusal, code="content_policy_violation", param="prompt")
    pictures = (base64.b64encode(unit).decode() for unit in units if isinstance(unit, bytes))
    return {"created": _now(), "data": [{"b64_json": picture} for picture in pictures]}


def embeddings(request: EmbeddingsRequest, units: list[Event], done: Done) -> dict[str, Any]:
    """The body of an answer with vectors. Raises ApiError (400) for a refusal."""
    if done.refusal is not None:
        raise ApiError(400, done.refusal, code="content_policy_violation", param="input")
    vectors = (unit.numbers for unit in units if isinstance(unit, Vector))
    data = [
        {"object": "embedding", "index": index, "embedding": _embedding(request, numbers)}
        for index, numbers in enumerate(vectors)
    ]
    counted = _usage(done).get("usage", {})
    usage = {name: counted[name] for name in ("prompt_tokens", "total_tokens") if counted}
    answer = {"object": "list", "data": data, "model": request.model}
    return {**answer, **({"usage": usage} if usage else {})}


def _embedding(request: EmbeddingsRequest, numbers: tuple[float, ...]) -> list[float] | str:
    """As many numbers as were asked for, of length 1 again; in base64 they are 32-bit,
    little-endian."""
    kept = numbers[: request.dimensions]
    length = math.hypot(*kept) or 1.0
    packed = struct.pack(f"<{len(kept)}f", *(number / length for number in kept))
    if request.as_base64:
        return base64.b64encode(packed).decode()
    return list(struct.unpack(f"<{len(kept)}f", packed))


def model(name: str) -> dict[str, Any]:
    """One model."""
    return {"id": name, "object": "model", "created": _MODELS_CREATED, "owned_by": "tally"}


def models() -> dict[str, Any]:
    """The list of all models."""
    return {"object": "list", "data": [model(name) for name in MODELS]}
