"""The items of a response while they are made, each with its events."""

import json
from typing import Any

from ai_chat.providers.text import Storable

type Item = dict[str, Any]


class Events:
    """Server-sent events that wait to be sent, numbered from 0."""

    def __init__(self, *, streamed: bool) -> None:
        self._streamed = streamed
        self._number = 0
        self._made: list[str] = []

    def emit_json(self, kind: str, members: str) -> None:
        """An event with these members: a JSON object without the brace that opens it."""
        if self._streamed:
            begin = f'event: {kind}\ndata: {{"type":"{kind}","sequence_number":{self._number},'
            self._made.append(f"{begin}{members}\n\n")
            self._number += 1

    def emit(self, kind: str, **members: Any) -> None:
        """An event with these members."""
        if self._streamed:
            self.emit_json(kind, json.dumps(members)[1:])

    def take(self) -> bytes:
        """The events since the last time, as bytes."""
        if not self._made:
            return b""
        made, self._made = self._made, []
        return "".join(made).encode()


class Growing:
    """A text that grows by delta events of one `kind`; `where` are the members that say which text
    it is. What cannot be stored of it is left out (`Storable`)."""

    def __init__(self, events: Events, kind: str, where: Item) -> None:
        self.kind, self.where = kind, where
        self._events = events
        self._pieces: list[str] = []
        self._clean = Storable()
        self._delta = f"response.{kind}.delta"
        # What is the same in each delta, written once.
        self._before = json.dumps(where)[1:-1] + ',"delta":'

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    def grow(self, text: str, more: str = "}") -> None:
        """Adds a piece. `more` is what follows the delta in its event."""
        if text := self._clean.feed(text):
            self._add(text, more)

    def _add(self, text: str, more: str) -> None:
        self._pieces.append(text)
        self._events.emit_json(self._delta, f"{self._before}{json.dumps(text)}{more}")

    def rest(self, more: str = "}") -> None:
        """Adds what was held back, half a character, at the text's end."""
        if text := self._clean.rest():
            self._add(text, more)

    def done(self, **members: Any) -> None:
        """The event of the text's end, with these members."""
        self._events.emit(f"response.{self.kind}.done", **self.where, **members)


class OpenItem:
    """An item of the output that is not finished. `item` is its last state, also when the answer
    breaks off."""

    def __init__(self, events: Events, position: int, item: Item) -> None:
        self.events, self.position, self.item = events, position, item
        self.where: Item = {"item_id": item["id"], "output_index": position}

    def begin(self) -> None:
        """The event that the item begins, before any of its deltas."""
        self.events.emit("response.output_item.added", output_index=self.position, item=self.item)

    def keep(self, status: str) -> None:
        """Brings `item` up to date."""
        raise NotImplementedError

    def finish(self, status: str) -> None:
        """The events of the end of its texts and of the item itself."""
        self.keep(status)
        self.events.emit("response.output_item.done", output_index=self.position, item=self.item)


class Message(OpenItem):
    """What the model answers: text, and perhaps a refusal."""

    def __init__(self, events: Events, position: int, key: str) -> None:
        item = {"type": "message", "id": f"msg_{key}", "role": "assistant"}
        super().__init__(events, position, {**item, "status": "in_progress", "content": []})
        self._parts: list[Item] = []
        self._growing: Growing | None = None
        self._logprobs: list[Item] = []

    def add_text(self, text: str, logprobs: list[Item]) -> None:
        """Adds to the answer."""
        growing = self._part("output_text")
        self._logprobs += logprobs
        growing.grow(text, f',"logprobs":{json.dumps(logprobs) if logprobs else "[]"}}}')

    def add_refusal(self, text: str) -> None:
        """Adds to the reason why the model does not answer."""
        self._part("refusal").grow(text)

    def _part(self, kind: str) -> Growing:
        if self._growing and self._growing.kind == kind:
            return self._growing
        self._close()
        where = {**self.where, "content_index": len(self._parts)}
        self._growing = Growing(self.events, kind, where)
        part = self._as_part(self._growing)
        self.events.emit("response.content_part.added", **where, part=part)
        return self._growing

    def _as_part(self, growing: Growing) -> Item:
        if growing.kind == "refusal":
            return {"type": "refusal", "refusal": growing.text}
        return {
            "type": "output_text",
            "text": growing.text,
            "annotations": [],
            "logprobs": self._logprobs,
        }

    def _close(self) -> None:
        growing, self._growing = self._growing, None
        if growing is None:
            return
        if growing.kind == "refusal":
            growing.rest()
            growing.done(refusal=growing.text)
        else:
            growing.rest(',"logprobs":[]}')
            growing.done(text=growing.text, logprobs=self._logprobs)
        part = self._as_part(growing)
        self.events.emit("response.content_part.done", **growing.where, part=part)
        self._parts.append(part)
        self._logprobs = []

    def keep(self, status: str) -> None:
        unfinished = [self._as_part(self._growing)] if self._growing else []
        self.item = {**self.item, "status": status, "content": [*self._parts, *unfinished]}

    def finish(self, status: str) -> None:
        self._close()
        super().finish(status)


class Reasoning(OpenItem):
    """What the model thought. Most clients show summaries alone, so it is sent as one. `mark` says
    how it may be sent back (`items.reasoning_mark`)."""

    def __init__(self, events: Events, position: int, key: str, mark: str | None) -> None:
        item: Item = {
            "type": "reasoning",
            "id": f"rs_{key}",
            "summary": [],
            "encrypted_content": mark,
        }
        super().__init__(events, position, item)
        self._text = Growing(events, "reasoning_summary_text", {**self.where, "summary_index": 0})

    def begin(self) -> None:
        super().begin()
        self._emit_part("added")

    def _emit_part(self, what: str) -> None:
        part = {"type": "summary_text", "text": self._text.text}
        kind = f"response.reasoning_summary_part.{what}"
        self.events.emit(kind, **self._text.where, part=part)

    def add_text(self, text: str) -> None:
        """Adds to it."""
        self._text.grow(text)

    def keep(self, status: str) -> None:
        part = {"type": "summary_text", "text": self._text.text}
        self.item = {**self.item, "summary": [part]}

    def finish(self, status: str) -> None:
        self._text.rest()
        self._text.done(text=self._text.text)
        self._emit_part("done")
        super().finish(status)


class Call(OpenItem):
    """A call of a function that the model asks for."""

    def __init__(self, events: Events, position: int, item: Item) -> None:
        item = {"type": "function_call", **item, "arguments": "", "status": "in_progress"}
        super().__init__(events, position, item)
        self._arguments = Growing(events, "function_call_arguments", self.where)

    def add_arguments(self, arguments: str) -> None:
        """Adds to its arguments."""
        self._arguments.grow(arguments)

    def keep(self, status: str) -> None:
        self.item = {**self.item, "arguments": self._arguments.text, "status": status}

    def finish(self, status: str) -> None:
        self._arguments.rest()
        self._arguments.done(name=self.item["name"], arguments=self._arguments.text)
        super().finish(status)
