"""Chunks of a chat completion as a provider streams them."""

import json
from typing import Any

USAGE = {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}


def said(*deltas: dict[str, Any], finish: str | None = "stop", usage: Any = USAGE) -> bytes:
    """The body of a stream with these deltas; one without a finish reason just ends."""
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    chunks: list[dict[str, Any]] = [{"id": "x", "choices": [choice]} for choice in choices]
    if finish:
        end = {"index": 0, "delta": {}, "finish_reason": finish}
        chunks += [{"id": "x", "choices": [end]}, {"id": "x", "choices": [], "usage": usage}]
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
    return (body + ("data: [DONE]\n\n" if finish else "")).encode()


def called(name: str, arguments: str, call_id: str = "c1", index: int = 0) -> dict[str, Any]:
    """A delta with a whole call of a tool."""
    function = {"name": name, "arguments": arguments}
    return {"tool_calls": [{"index": index, "id": call_id, "function": function}]}
