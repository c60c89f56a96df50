"""What is answered to a chat completion: chunks as they come, or one object of them (design:
gateway, A.3)."""

import time
from typing import Any

from ai_chat.gateway.answers import Data, RunningCall, StreamedAnswer, WholeAnswer
from ai_chat.gateway.errors import ApiError, envelope
from ai_chat.gateway.headers import cost_of
from ai_chat.gateway.json_output import event

DONE = b"data: [DONE]\n\n"


class StreamedCompletion(StreamedAnswer):
    """An answer as chunks. One that breaks off ends with an error: neither a finish reason nor the
    mark of the end comes after it."""

    def __init__(self, running: RunningCall, *, with_usage: bool) -> None:
        self._running, self._with_usage = running, with_usage
        self._head = _head_of(running, "chat.completion.chunk")

    def add(self, chunk: Data) -> bytes:
        chunk = {**chunk, **self._head}
        if self._with_usage:
            chunk["usage"] = None
        else:
            chunk.pop("usage", None)
        return event(chunk)

    def end(self) -> bytes:
        """The chunk that says how each choice ended, then the one with what was used and what it
        cost, if that is wanted."""
        choices: list[Data] = [
            {"index": index, "delta": {}, "logprobs": None, "finish_reason": finish}
            for index, finish in enumerate(self._running.finishes)
        ]
        usage = b""
        if self._with_usage:
            usage = event({**self._head, "choices": [], "usage": usage_of(self._running)})
        return self.add({"choices": choices}) + usage + DONE

    def fail(self, error: ApiError) -> bytes:
        return event(envelope(error))


class WholeCompletion(WholeAnswer):
    """The chunks of one answer put together."""

    def __init__(self, running: RunningCall) -> None:
        self._running = running
        self._head = _head_of(running, "chat.completion")
        self._choices: list[Data] = [
            {"content": [], "calls": {}, "logprobs": {}, "more": {}}
            for _ in range(running.work.call.asked.choices)
        ]
        self._more: Data = {}

    def add(self, chunk: Data) -> None:
        for choice in chunk["choices"]:
            self._add(self._choices[choice["index"]], choice)
        for name, value in chunk.items():
            if name not in {"choices", "usage", "object"} and value is not None:
                self._more[name] = value

    def body(self) -> Data:
        choices = [
            {
                "index": index,
                "message": self._message(choice),
                "logprobs": choice["logprobs"] or None,
                "finish_reason": finish,
            }
            for index, (choice, finish) in enumerate(
                zip(self._choices, self._running.finishes, strict=True)
            )
        ]
        usage = usage_of(self._running)
        return {**self._more, **self._head, "choices": choices, "usage": usage}

    @staticmethod
    def _add(collected: dict[str, Any], choice: dict[str, Any]) -> None:
        for name, value in choice["delta"].items():
            if value is None or name == "role":
                continue
            if name == "content":
                collected["content"].append(value)
            elif name == "tool_calls":
                for call in value:
                    _add_call(collected["calls"], call)
            else:
                collected["more"][name] = _more(name, collected["more"].get(name), value)
        for name, value in (choice.get("logprobs") or {}).items():
            if isinstance(value, list):
                collected["logprobs"].setdefault(name, []).extend(value)

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
    before = calls.setdefault(piece["index"], {})
    function = _joined(before.get("function", {}), piece["function"])
    before |= {name: value for name, value in piece.items() if name != "index"}
    before["function"] = function


def _more(name: str, before: Any, value: Any) -> Any:
    """Another member of a message with one more piece of it."""
    if name == "function_call":
        return _joined(before or {}, value)
    if isinstance(value, str):
        return (before or "") + value
    return _extended(before or [], value) if isinstance(value, list) else value


def _joined(before: dict[str, Any], piece: dict[str, Any]) -> dict[str, Any]:
    """A function with one more piece of its arguments."""
    arguments = (before.get("arguments") or "") + (piece.get("arguments") or "")
    return {**before, **piece, "arguments": arguments}


def _extended(before: list[Any], pieces: list[Any]) -> list[Any]:
    """A list with what came of it. Pieces of one part of the reasoning (OpenRouter's
    `reasoning_details`) have its index, and follow each other: their texts are one."""
    for piece in pieces:
        if before and _goes_on(before[-1], piece):
            before[-1] = _lengthened(before[-1], piece)
        else:
            before.append(piece)
    return before


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


def _head_of(running: RunningCall, kind: str) -> Data:
    """The names by which the client knows an answer."""
    return {
        "id": f"chatcmpl-{running.job.pk.hex}",
        "object": kind,
        "created": int(time.time()),
        "model": running.job.model,
    }


def usage_of(running: RunningCall) -> Data:
    """Tokens as they were paid for, in OpenAI's names, and their cost in credits."""
    tokens = running.tokens
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
        "cost": cost_of(running.job),
    }
