"""What is answered to a chat completion: chunks as they come, or one object of them (design:
gateway, A.3)."""

import json
import math
import time
from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse

from ai_chat.gateway.calls import Driven
from ai_chat.gateway.errors import ApiError, envelope
from ai_chat.gateway.headers import cost_of, ended_headers
from ai_chat.models import ApiCall

DONE = b"data: [DONE]\n\n"


class Completion:
    """One answer, in the names that its client knows."""

    def __init__(self, job: ApiCall) -> None:
        self.head: dict[str, Any] = {
            "id": f"chatcmpl-{job.pk.hex}",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": job.model,
        }

    def chunk(self, data: dict[str, Any], *, with_usage: bool) -> dict[str, Any]:
        """A provider's chunk with our names."""
        chunk = {**data, **self.head}
        if with_usage:
            chunk["usage"] = None
        else:
            chunk.pop("usage", None)
        return chunk

    def end(self, finishes: list[str], *, with_usage: bool) -> dict[str, Any]:
        """The chunk that says how each choice ended."""
        choices: list[dict[str, Any]] = [
            {"index": index, "delta": {}, "logprobs": None, "finish_reason": finish}
            for index, finish in enumerate(finishes)
        ]
        return self.chunk({"choices": choices}, with_usage=with_usage)

    def usage(self, driven: Driven) -> dict[str, Any]:
        """The chunk with what was used and what it cost: the last one."""
        return {**self.head, "choices": [], "usage": usage_of(driven)}


def usage_of(driven: Driven) -> dict[str, Any]:
    """Tokens as they were paid for, in OpenAI's names, and their cost in credits."""
    job = driven.job
    tokens = job.use or driven.work.used().tokens
    return {**usage_body(tokens), "cost": cost_of(job)}


def usage_body(tokens: Any) -> dict[str, Any]:
    """Counts in OpenAI's names."""
    return {
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.input + tokens.output,
        "prompt_tokens_details": {
            "cached_tokens": tokens.cached,
            "cache_write_tokens": tokens.cache_write,
            "audio_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": tokens.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def whole_response(
    body: Mapping[str, Any], driven: Driven, headers: Mapping[str, str]
) -> HttpResponse:
    """The answer of a call that has ended, in one object; its headers say what it came to."""
    headers = {**headers, **ended_headers(driven.job)}
    return HttpResponse(json_of(body), content_type="application/json", headers=headers)


def event(data: Any) -> bytes:
    """A server-sent event with this JSON."""
    return b"data: %b\n\n" % json_of(data)


def json_of(data: Any) -> bytes:
    """JSON as UTF-8, whatever a provider has put into it: half a surrogate pair is escaped, a
    number that is none becomes null."""
    try:
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(data, separators=(",", ":")).encode()
    except ValueError:
        return json_of(finite(data))


def finite(value: Any) -> Any:
    """The same JSON with null for numbers that are none."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {name: finite(each) for name, each in value.items()}
    return [finite(each) for each in value] if isinstance(value, list) else value


def error_event(error: ApiError) -> bytes:
    """The end of a stream that breaks off: neither a finish reason nor the mark of the end comes
    after it."""
    return event(envelope(error))


class Whole:
    """The chunks of one answer put together."""

    def __init__(self, choices: int) -> None:
        self._choices: list[dict[str, Any]] = [
            {"content": [], "calls": {}, "logprobs": {}, "more": {}} for _ in range(choices)
        ]
        self._more: dict[str, Any] = {}

    def add(self, chunk: Mapping[str, Any]) -> None:
        """One more chunk, in the order in which they come."""
        for choice in chunk["choices"]:
            self._add(self._choices[choice["index"]], choice)
        for name, value in chunk.items():
            if name not in {"choices", "usage", "object"} and value is not None:
                self._more[name] = value

    def body(self, completion: Completion, driven: Driven, finishes: list[str]) -> dict[str, Any]:
        """The whole answer."""
        choices = [
            {
                "index": index,
                "message": self._message(choice),
                "logprobs": choice["logprobs"] or None,
                "finish_reason": finish,
            }
            for index, (choice, finish) in enumerate(zip(self._choices, finishes, strict=True))
        ]
        names = {**completion.head, "object": "chat.completion"}
        return {**self._more, **names, "choices": choices, "usage": usage_of(driven)}

    @staticmethod
    def _add(known: dict[str, Any], choice: dict[str, Any]) -> None:
        for name, value in choice["delta"].items():
            if value is None or name == "role":
                continue
            if name == "content":
                known["content"].append(value)
            elif name == "tool_calls":
                for call in value:
                    _add_call(known["calls"], call)
            else:
                known["more"][name] = _more(name, known["more"].get(name), value)
        for name, value in (choice.get("logprobs") or {}).items():
            if isinstance(value, list):
                known["logprobs"].setdefault(name, []).extend(value)

    @staticmethod
    def _message(choice: dict[str, Any]) -> dict[str, Any]:
        content = "".join(choice["content"])
        calls = [choice["calls"][place] for place in sorted(choice["calls"])]
        message: dict[str, Any] = {
            "role": "assistant",
            "content": content if content or not calls else None,
            "refusal": None,
            **choice["more"],
        }
        return {**message, "tool_calls": calls} if calls else message


def _add_call(calls: dict[int, dict[str, Any]], piece: dict[str, Any]) -> None:
    """One more piece of a call of a tool."""
    known = calls.setdefault(piece["index"], {})
    function = _joined(known.get("function", {}), piece["function"])
    known |= {name: value for name, value in piece.items() if name != "index"}
    known["function"] = function


def _more(name: str, known: Any, value: Any) -> Any:
    """Another member of a message with one more piece of it."""
    if name == "function_call":
        return _joined(known or {}, value)
    if isinstance(value, str):
        return (known or "") + value
    return _extended(known or [], value) if isinstance(value, list) else value


def _joined(known: dict[str, Any], piece: dict[str, Any]) -> dict[str, Any]:
    """A function with one more piece of its arguments."""
    arguments = (known.get("arguments") or "") + (piece.get("arguments") or "")
    return {**known, **piece, "arguments": arguments}


def _extended(known: list[Any], pieces: list[Any]) -> list[Any]:
    """A list with what came of it. Pieces of one part of the reasoning (OpenRouter's
    `reasoning_details`) have its index, and follow each other: their texts are one."""
    for piece in pieces:
        if known and _goes_on(known[-1], piece):
            known[-1] = _lengthened(known[-1], piece)
        else:
            known.append(piece)
    return known


def _goes_on(latest: Any, piece: Any) -> bool:
    """Whether the piece is of the part that came last."""
    if not isinstance(piece, dict) or not isinstance(latest, dict) or "index" not in piece:
        return False
    return all(latest.get(name) == piece.get(name) for name in ("index", "type"))


def _lengthened(latest: dict[str, Any], piece: dict[str, Any]) -> dict[str, Any]:
    texts = {
        name: latest[name] + piece[name]
        for name in ("text", "summary")
        if isinstance(latest.get(name), str) and isinstance(piece.get(name), str)
    }
    return {**latest, **piece, **texts}
