"""The events of a response while its answer comes. Whatever the provider sends, they are a sequence
that clients accept: each item is added before its deltas and done after them, under one id
and position; numbers have no gaps; one event ends it (gateway design, A.4)."""

import json
import math
import time
from collections.abc import Collection
from typing import Any

from ai_chat.gateway.responses.items import TAKEN_BACK, reasoning_mark
from ai_chat.gateway.responses.parts import Call, Events, Item, Message, OpenItem, Reasoning
from ai_chat.gateway.responses.tools import Tool, Tools, custom_input
from ai_chat.providers.pieces import ToolCall, Usage
from ai_chat.providers.reading import REASONING
from ai_chat.providers.text import strings_of
from ai_chat.providers.tool_calls import ToolCalls
from ai_chat.providers.usage import read_usage

#: Why an answer is not whole, by the finish reasons that say so.
INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
#: What OpenAI gives for the most unlikely token.
LEAST_LOGPROB = -9999.0
IN_PROGRESS, COMPLETED, UNFINISHED, FAILED = "in_progress", "completed", "incomplete", "failed"


class CustomCall(Call):
    """A call of a custom tool: a function of one text for the model. Its input is sent at its end,
    when the text can be read from the arguments."""

    def __init__(self, events: Events, position: int, item: Item) -> None:
        super().__init__(Events(streamed=False), position, item)
        self.events = events
        self.item = {"type": "custom_tool_call", **item, "input": "", "status": IN_PROGRESS}

    def keep(self, status: str) -> None:
        self.item = {**self.item, "input": custom_input(self._arguments.text), "status": status}

    def finish(self, status: str) -> None:
        """Clients know no incomplete call of a custom tool: one that was cut is not done."""
        self._arguments.rest()
        self.keep(status)
        if status == COMPLETED:
            kind, text = "response.custom_tool_call_input", self.item["input"]
            if text:
                self.events.emit(f"{kind}.delta", **self.where, delta=text)
            self.events.emit(f"{kind}.done", **self.where, input=text)
            OpenItem.finish(self, status)


class ResponseEvents:
    """One response. `begin`, `add`, `end` and `fail` return the events that they lead to, as bytes;
    none after the end. `key` makes its id and those of its items, `repeated` are the members that
    repeat the request; `call_ids` have been given to calls before."""

    def __init__(
        self,
        key: str,
        repeated: Item,
        tools: Tools,
        *,
        store: bool,
        streamed: bool = True,
        call_ids: Collection[str] = (),
    ) -> None:
        self._key = key
        self._head: Item = {
            "id": f"resp_{key}",
            "object": "response",
            "created_at": int(time.time()),
            **repeated,
            "store": store,
        }
        self._model, self._tools = repeated["model"], tools
        self._status = ""
        self._error: Item | None = None
        self._incomplete: Item | None = None
        self._usage: Usage | None = None
        self._usage_extras: Item = {}
        self._finish = ""
        self._events = Events(streamed=streamed)
        #: All items, by their positions.
        self._items: list[OpenItem] = []
        #: The message or reasoning that grows; calls, which may grow together, by their positions.
        self._open: Message | Reasoning | None = None
        self._calls: dict[int, Call] = {}
        self._reader = ToolCalls()
        self._call_ids = {"", *call_ids}
        #: Id and arguments of calls whose name has not come.
        self._nameless: dict[int, tuple[str, str]] = {}
        #: What grew last.
        self._last: OpenItem | None = None

    # What comes of the answer.

    def begin(self) -> bytes:
        """The events before anything of the answer has come."""
        self._begin()
        return self._events.take()

    def add(self, chunk: Item) -> bytes:
        """A chunk in the format of chat.completion.chunk. Its first choice alone counts."""
        self._begin()
        if self._status != IN_PROGRESS:
            return b""
        for choice in chunk.get("choices") or ():
            if not choice.get("index"):
                self._add_choice(choice)
                break
        if counts := chunk.get("usage"):
            self._usage = read_usage(counts).usage or self._usage
        return self._events.take()

    def end(self, finish: str = "", usage: Usage | None = None, **more: Any) -> bytes:
        """The answer is whole or cut, as its finish reason says: this one, else the last that came.
        `usage` is what it took, if that is known better than by the chunks; `more` are
        further members of it."""
        self._begin()
        if self._status != IN_PROGRESS:
            return b""
        self._usage = usage or self._usage
        self._usage_extras = more
        reason = INCOMPLETE.get(finish or self._finish)
        self._incomplete = {"reason": reason} if reason else None
        self._close_open(cut=bool(reason))
        for call in self._calls.values():
            call.finish(UNFINISHED if reason and call is self._last else COMPLETED)
        self._end(UNFINISHED if reason else COMPLETED)
        return self._events.take()

    def fail(self, code: str, message: str) -> bytes:
        """The answer broke off. Items that are not finished are not done: clients would act on
        them."""
        self._begin()
        if self._status != IN_PROGRESS:
            return b""
        for item in filter(None, [self._open, *self._calls.values()]):
            item.keep(UNFINISHED)
        self._error = {"code": code, "message": message}
        self._end(FAILED)
        return self._events.take()

    @property
    def output(self) -> list[Item]:
        """The items as they are by now; after the end, as their last events have them."""
        return [item.item for item in self._items]

    def whole(self) -> Item:
        """The response as it is by now: after the end, the same as the last event has."""
        return {**self._head, **self._tail()}

    def _tail(self) -> Item:
        usage = usage_of(self._usage) | self._usage_extras if self._usage else None
        return {
            "status": self._status,
            "error": self._error,
            "incomplete_details": self._incomplete,
            "output": self.output if self._status != IN_PROGRESS else [],
            "usage": usage,
        }

    def _begin(self) -> None:
        if not self._status:
            self._status = IN_PROGRESS
            members = json.dumps({"response": self.whole()})[1:]
            for kind in ("response.created", "response.in_progress"):
                self._events.emit_json(kind, members)

    def _end(self, status: str) -> None:
        self._status = status
        self._events.emit(f"response.{status}", response=self.whole())

    def _add_choice(self, choice: Item) -> None:
        delta = choice.get("delta") or {}
        for name in REASONING:
            if value := delta.get(name):
                self._add_reasoning(
                    name, value if isinstance(value, str) else "".join(strings_of(value))
                )
                break
        if text := delta.get("content"):
            self._message().add_text(text, _logprobs(choice))
        if refusal := delta.get("refusal"):
            self._message().add_refusal(refusal)
        calls = delta.get("tool_calls")
        if function := delta.get("function_call"):  # Of servers that know no tools.
            calls = [{"index": 0, "function": function}]
        for call in calls or ():
            for piece in self._reader.read([call]):
                self._add_call(piece, call.get("extra_content"))
        self._finish = choice.get("finish_reason") or self._finish

    def _add_reasoning(self, name: str, text: str) -> None:
        if not text:
            return
        if not isinstance(self._open, Reasoning):
            mark = reasoning_mark(name, self._model) if name in TAKEN_BACK else None
            self._open_next(Reasoning(self._events, len(self._items), self._next_key(), mark))
        if isinstance(self._open, Reasoning):
            self._last = self._open
            self._open.add_text(text)

    def _message(self) -> Message:
        if isinstance(self._open, Message):
            self._last = self._open
            return self._open
        message = Message(self._events, len(self._items), self._next_key())
        self._open_next(message)
        return message

    def _open_next(self, item: Message | Reasoning) -> None:
        self._close_open()
        self._open = self._last = item
        self._items.append(item)
        item.begin()

    def _close_open(self, *, cut: bool = False) -> None:
        item, self._open = self._open, None
        if item:
            item.finish(UNFINISHED if cut and item is self._last else COMPLETED)

    def _add_call(self, piece: ToolCall, extra: Any) -> None:
        """A piece of a call. `extra` is what the provider wants back with it (Gemini's signature of
        a thought)."""
        call = self._calls.get(piece.position)
        call_id, name, arguments = piece[1:]
        if call is None:
            known_id, before = self._nameless.pop(piece.position, ("", ""))
            call_id, arguments = call_id or known_id, before + arguments
            if not name:
                self._nameless[piece.position] = (call_id, arguments)
                return
            self._close_open()
            call = self._calls[piece.position] = self._new_call(call_id, name)
            self._items.append(call)
            call.begin()
        if isinstance(extra, dict):
            call.item = {**call.item, "extra_content": extra}
        self._last = call
        call.add_arguments(arguments)

    def _new_call(self, call_id: str, name: str) -> Call:
        """Ids that are missing, or were given before, are replaced: some providers number the calls
        of each answer, and clients tell calls of a whole conversation apart by their ids."""
        key = self._next_key()
        call_id = f"call_{key}" if call_id in self._call_ids else call_id
        self._call_ids.add(call_id)
        tool = self._tools.get(name, Tool(name))
        item = {"id": f"fc_{key}", "call_id": call_id}
        item["name"] = tool.name
        if tool.is_custom:
            return CustomCall(self._events, len(self._items), {**item, "id": f"ctc_{key}"})
        if tool.namespace:
            item["namespace"] = tool.namespace
        return Call(self._events, len(self._items), item)

    def _next_key(self) -> str:
        return f"{self._key}{len(self._items):02x}"


def usage_of(usage: Usage) -> Item:
    """Tokens as a response has them."""
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {
            "cached_tokens": usage.cached,
            "cache_write_tokens": usage.cache_write,
        },
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }


def _logprobs(choice: Item) -> list[Item]:
    logprobs = (choice.get("logprobs") or {}).get("content") or ()
    return [{**_logprob(each), "top_logprobs": _alternatives(each)} for each in logprobs]


def _logprob(each: Any) -> Item:
    value = each["logprob"]
    value = value if math.isfinite(value) else LEAST_LOGPROB
    return {"token": each["token"], "logprob": value, "bytes": each.get("bytes") or []}


def _alternatives(each: Item) -> list[Item]:
    return [_logprob(alternative) for alternative in each.get("top_logprobs") or ()]
