"""Calls of tools that a model asks for, in pieces."""

import json
from collections.abc import Iterator
from typing import Any

from ai_chat.providers.pieces import ToolCall
from ai_chat.providers.text import Storable


class ToolCalls:
    """Numbers the calls of one answer by the order in which they begin. Some providers send whole
    calls without an index, or with the same for all: then a new id begins a new call."""

    def __init__(self) -> None:
        #: By index (none: the latest): the position of its call, and the call's id.
        self._calls: dict[int | None, tuple[int, str]] = {}
        self._cleaners: list[Storable] = []

    @property
    def any(self) -> bool:
        """Whether there was one."""
        return bool(self._cleaners)

    def read(self, deltas: list[dict[str, Any]]) -> Iterator[ToolCall]:
        """The pieces that a delta holds. They may be any JSON."""
        for call in deltas:
            function = call.get("function") or {}
            arguments = function.get("arguments") or ""
            if not isinstance(arguments, str):
                arguments = json.dumps(arguments)
            call_id, name = str(call.get("id") or ""), str(function.get("name") or "")
            position = self._position(call.get("index"), call_id, name)
            yield ToolCall(position, call_id, name, self._cleaners[position].feed(arguments))

    def _position(self, index: Any, call_id: str, name: str) -> int:
        index = index if isinstance(index, int) else None
        known = self._calls.get(index)
        begins = call_id != known[1] if known and call_id else index is None and bool(name)
        if known and not begins:
            return known[0]
        self._cleaners.append(Storable())
        self._calls[index] = self._calls[None] = (len(self._cleaners) - 1, call_id)
        return len(self._cleaners) - 1
