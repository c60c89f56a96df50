"""What is answered to a call of Anthropic's Messages API: its events as they come, or one message
put together from them (design: gateway, A.5)."""

import json
from typing import Any

from ai_chat.gateway.answers import Data, RunningCall, StreamedAnswer, WholeAnswer
from ai_chat.gateway.errors import ApiError, anthropic_envelope
from ai_chat.gateway.json_output import json_of
from ai_chat.gateway.message_reading import MessageReader


class StreamedMessage(StreamedAnswer):
    """The events of an answer. `message_stop` is sent when the call has ended and is paid."""

    def __init__(self, running: RunningCall) -> None:
        self._running = running
        self._model, self._request_id = running.job.model, running.job.request_id
        self._stop: Data = {"type": "message_stop"}

    def add(self, chunk: Data) -> bytes:
        if chunk.get("type") == "message_stop":
            self._stop = chunk
            return b""
        return _event(_with_model(chunk, self._model))

    def end(self) -> bytes:
        if not self._running.work.is_cut:
            return _event(self._stop)
        delta = {"stop_reason": "max_tokens", "stop_sequence": None}
        usage = _usage_of(self._running)
        cut = _event({"type": "message_delta", "delta": delta, "usage": usage})
        return cut + _event(self._stop)

    def fail(self, error: ApiError) -> bytes:
        return _event(anthropic_envelope(error, request_id=self._request_id))


class WholeMessage(WholeAnswer):
    """The events of one answer put together."""

    def __init__(self, running: RunningCall) -> None:
        self._running = running
        self._model = running.job.model
        self._message: Data = {}
        self._blocks: dict[int, Data] = {}
        self._inputs: dict[int, str] = {}

    def add(self, chunk: Data) -> None:
        match _with_model(chunk, self._model):
            case {"type": "message_start", "message": dict(message)}:
                self._message = message
            case {"type": "content_block_start", "index": int(index), "content_block": dict(block)}:
                self._blocks[index] = {**block}
            case {"type": "content_block_delta", "index": int(index), "delta": dict(delta)}:
                self._add(index, delta)
            case {"type": "message_delta", "delta": dict(delta)}:
                self._message |= delta

    def body(self) -> Data:
        for index, text in self._inputs.items():
            self._blocks[index]["input"] = _object_of(text)
        content = [self._blocks[index] for index in sorted(self._blocks)]
        return {**self._message, "content": content, "usage": _usage_of(self._running)}

    def _add(self, index: int, delta: dict[str, Any]) -> None:
        block = self._blocks.setdefault(index, {"type": "text", "text": ""})
        match delta:
            case {"type": "input_json_delta", "partial_json": str(piece)}:
                self._inputs[index] = self._inputs.get(index, "") + piece
            case {"type": "citations_delta", "citation": citation}:
                block["citations"] = [*(block.get("citations") or []), citation]
            case _:
                for name, value in delta.items():
                    if name != "type" and isinstance(value, str):
                        block[name] = block.get(name, "") + value


def _object_of(text: str) -> Any:
    """The input of a tool; one that was cut off stays the text that came of it."""
    try:
        return json.loads(text) if text else {}
    except ValueError:
        return {"cut": text}


def _usage_of(running: RunningCall) -> Data:
    """The counts of an answer, by Anthropic's names."""
    reader = running.work.reader
    assert isinstance(reader, MessageReader)
    return reader.usage


def _with_model(event: Data, name: str) -> Data:
    """The event with our name of the model."""
    message = event.get("message")
    if event.get("type") != "message_start" or not isinstance(message, dict):
        return event
    return {**event, "message": {**message, "model": name}}


def _event(data: Data) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (str(data.get("type")).encode(), json_of(data))
