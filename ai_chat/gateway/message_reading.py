"""An answer of Anthropic's Messages API: its events as they are passed on, or put together (design:
gateway, A.5)."""

import json
import re
from typing import Any

from ai_chat.providers.errors import ProviderError
from ai_chat.providers.pieces import Chunk, Finish, Piece
from ai_chat.providers.reading import AnswerReader, error_in_chunk
from ai_chat.providers.sdk_errors import error_of
from credits.reasons import Reason

LENGTH = {"max_tokens", "model_context_window_exceeded"}
REFUSED = "refusal"
#: Where a delta has what was written.
WRITTEN = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "input_json_delta": "partial_json",
}


class MessageReader(AnswerReader):
    """Reads an answer as Chunks, each the data of an event. `has_output` and `is_filtered` as
    `ChunkReader` has them; `usage` are the counts so far, by Anthropic's names."""

    def __init__(self, *, max_tokens: int | None = None) -> None:
        super().__init__(max_tokens=max_tokens)
        self.has_output = self.is_filtered = False
        self.usage: dict[str, Any] = {}

    def _chunk(self, chunk: Any) -> list[Piece]:
        if error := error_in_chunk(chunk):
            raise error_of(error)
        # It stands on a line of its own.
        if not re.fullmatch("[a-z_]{1,60}", chunk["type"]):
            raise ProviderError(Reason.UNREADABLE, code="type")
        match chunk:
            case {"type": "message_start", "message": dict(message)}:
                self._note(message.get("usage"))
            case {"type": "content_block_start", "content_block": dict(block)}:
                self._begin(block)
            case {"type": "content_block_delta", "delta": dict(delta)}:
                self._count(str(delta.get(WRITTEN.get(str(delta.get("type")), "")) or ""))
            case {"type": "message_delta"}:
                self._end(chunk.get("delta") or {})
                self._note(chunk.get("usage"))
        return [Chunk(chunk, self.has_begun)]

    def _begin(self, block: dict[str, Any]) -> None:
        kind = block.get("type")
        if kind in {"tool_use", "text"}:
            self.has_output = True
        self._count(str(block.get("text") or block.get("name") or ""))

    def _count(self, written: str) -> None:
        if written:
            self.received.add(written)
            self.received.deltas += 1
            self._has_content = True

    def _end(self, delta: dict[str, Any]) -> None:
        if reason := delta.get("stop_reason"):
            self.is_filtered = reason == REFUSED
            self._finish = Finish.LENGTH if reason in LENGTH else Finish.STOP

    def _note(self, counts: Any) -> None:
        """The counts are cumulative; an event leaves out those that it does not change."""
        if isinstance(counts, dict):
            self.usage |= {name: count for name, count in counts.items() if count is not None}
            self.received.note(self.usage)

    def _rest(self) -> Any:
        return iter(())


class WholeMessage:
    """The events of one answer put together."""

    def __init__(self) -> None:
        self._message: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._inputs: dict[int, str] = {}

    def add(self, event: dict[str, Any]) -> None:
        """One more event, in the order in which they come."""
        match event:
            case {"type": "message_start", "message": dict(message)}:
                self._message = message
            case {"type": "content_block_start", "index": int(index), "content_block": dict(block)}:
                self._blocks[index] = {**block}
            case {"type": "content_block_delta", "index": int(index), "delta": dict(delta)}:
                self._add(index, delta)
            case {"type": "message_delta", "delta": dict(delta)}:
                self._message |= delta

    def body(self, usage: dict[str, Any]) -> dict[str, Any]:
        """The whole answer."""
        for index, text in self._inputs.items():
            self._blocks[index]["input"] = _object_of(text)
        content = [self._blocks[index] for index in sorted(self._blocks)]
        return {**self._message, "content": content, "usage": usage}

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
