"""OpenAI's wire format: the JSON of answers and the events of a stream."""

import base64
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from ai_chat.local_provider.engine import Done, Event

COMMENT = b": still here\n\n"
GARBAGE = b'{"id": "broken", "data": [{"b64_json": "iVBOR'
GARBAGE_EVENT = b"data: " + GARBAGE + b"\n\n"

# These models come with the program, so their age means nothing; OpenAI's type wants one.
_MODELS_CREATED = 1_730_000_000


def encode(data: dict[str, Any]) -> bytes:
    """JSON in ASCII, which needs no further care."""
    return json.dumps(data).encode()


def event(data: dict[str, Any]) -> bytes:
    """One server-sent event."""
    return b"data: " + encode(data) + b"\n\n"


def _now() -> int:
    return int(time.time())


def _usage(done: Done) -> dict[str, int]:
    return {
        "prompt_tokens": done.prompt_tokens,
        "completion_tokens": done.completion_tokens,
        "total_tokens": done.prompt_tokens + done.completion_tokens,
    }


@dataclass(frozen=True)
class Completion:
    """One answer's identity, from which its chunks or its whole body are made."""

    model: str
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=_now)

    def chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        """One piece of a streamed answer."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return event(self._envelope("chat.completion.chunk", [choice]))

    def ending(self, done: Done, *, with_usage: bool) -> bytes:
        """Everything after the last piece of text, up to the mark that says it was the last."""
        pieces = [self.chunk({}, done.finish_reason)]
        if done.refusal is not None:
            pieces.insert(0, self.chunk({"refusal": done.refusal}))
        if with_usage:
            envelope = self._envelope("chat.completion.chunk", [])
            pieces.append(event({**envelope, "usage": _usage(done)}))
        return b"".join([*pieces, b"data: [DONE]\n\n"])

    def whole(self, units: list[Event], done: Done) -> dict[str, Any]:
        """An answer that is not streamed."""
        text = "".join(unit for unit in units if isinstance(unit, str))
        content = text if text or done.refusal is None else None
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": content, "refusal": done.refusal},
            "logprobs": None,
            "finish_reason": done.finish_reason,
        }
        return {**self._envelope("chat.completion", [choice]), "usage": _usage(done)}

    def _envelope(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "choices": choices,
        }


def images(pictures: list[bytes]) -> dict[str, Any]:
    """An answer with pictures."""
    data = [{"b64_json": base64.b64encode(picture).decode()} for picture in pictures]
    return {"created": _now(), "data": data}


def models(names: tuple[str, ...]) -> dict[str, Any]:
    """The list of models."""
    return {"object": "list", "data": [model(name) for name in names]}


def model(name: str) -> dict[str, Any]:
    """One model of the list."""
    return {"id": name, "object": "model", "created": _MODELS_CREATED, "owned_by": "tally"}
