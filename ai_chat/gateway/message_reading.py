"""Reads an answer of Anthropic's Messages API (design: gateway, A.5)."""

import re
from typing import Any

from ai_chat.gateway.reading import CallReader
from ai_chat.providers.errors import ProviderError
from ai_chat.providers.pieces import Chunk, Finish, Piece
from ai_chat.providers.reading import error_in_chunk
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


class MessageReader(CallReader):
    """Reads an answer as Chunks, each the data of an event; `usage` are the counts so far, by
    Anthropic's names."""

    def __init__(self, *, max_tokens: int | None = None) -> None:
        super().__init__(max_tokens=max_tokens)
        self.usage: dict[str, Any] = {}
        self._stop_reason = ""

    @property
    def is_filtered(self) -> bool:
        return self._stop_reason == REFUSED

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
            self._stop_reason = reason
            self._finish = Finish.LENGTH if reason in LENGTH else Finish.STOP

    def _note(self, counts: Any) -> None:
        """The counts are cumulative; an event leaves out those that it does not change."""
        if isinstance(counts, dict):
            self.usage |= {name: count for name, count in counts.items() if count is not None}
            self.received.note(self.usage)
