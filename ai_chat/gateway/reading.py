"""A provider's answer for whoever passes it on: chunks of OpenAI's chat format with all that they
hold, brought into the order that clients rely on (design: gateway, A.3)."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from ai_chat.providers.errors import ProviderError
from ai_chat.providers.pieces import Chunk, Finish, Piece, Reasoning, Text
from ai_chat.providers.reading import REASONING, AnswerReader, error_in_chunk
from ai_chat.providers.sdk_errors import FILTERS, error_of
from ai_chat.providers.text import parts_of, strings_of
from credits.reasons import Reason

#: What an answer's end may be called.
FINISHES = {"stop", "length", "tool_calls", "function_call"}
FILTERED = "content_filter"
#: Where a delta has what is no text: models that paint or speak are paid for it.
MADE = ("images", "audio")


class CallReader(AnswerReader):
    """Reads the answer to a call of /v1. `has_output` says whether a text, a call of a tool, a
    refusal, a picture or a sound has come: what is paid for, unlike reasoning alone."""

    def __init__(self, *, max_tokens: int | None = None) -> None:
        super().__init__(max_tokens=max_tokens)
        self.has_output = False

    @property
    def is_filtered(self) -> bool:
        """Whether a filter or a refusal ended all that came."""
        return False

    @property
    def finishes(self) -> list[str]:
        """The finish reason of each choice, once the answer has ended."""
        return [(self._finish or Finish.STOP).value]

    def _rest(self) -> Iterator[Piece]:
        return iter(())


class ChunkReader(CallReader):
    """Reads an answer of `choices` texts as Chunks."""

    def __init__(self, *, choices: int = 1, max_tokens: int | None = None) -> None:
        super().__init__(max_tokens=None if max_tokens is None else max_tokens * choices)
        self._choices = [_ChoiceState() for _ in range(choices)]
        self._begun = 0

    def _chunk(self, chunk: Any) -> list[Piece]:
        if error := error_in_chunk(chunk):
            raise error_of(error)
        had_finished = self._finish is not None
        choices: list[dict[str, Any]] = []
        for choice in chunk.get("choices") or ():
            choices += self._passed(choice)
        if choices and had_finished:
            self.goes_on = any(_has_content(choice["delta"]) for choice in choices)
        if all(choice.finish for choice in self._choices):
            self._finish = Finish.STOP
        usage = chunk.get("usage") or (chunk.get("x_groq") or {}).get("usage")
        if usage:
            self.received.note(usage)
        return [Chunk({**chunk, "choices": choices}, self.has_begun)] if choices else []

    def _passed(self, choice: dict[str, Any]) -> list[dict[str, Any]]:
        """The choice as it is passed on, after those before it that have not begun."""
        if error := choice.get("error"):
            raise error_of(error)
        index = choice.get("index") or 0
        if type(index) is not int or not 0 <= index < len(self._choices):
            raise ProviderError(Reason.UNREADABLE, code="choice")
        begins = [_opening(place) for place in range(self._begun, index)]
        self._begun = max(self._begun, index + 1)
        state = self._choices[index]
        delta = choice.get("delta")
        if delta is None:
            delta = {} if state.has_content else choice.get("message") or {}
        passed = {name: value for name, value in choice.items() if name not in UNPASSED}
        passed["index"] = index
        passed["delta"] = state.delta(delta)
        self._count(state)
        # It is sent at the end: gateways to Gemini send one with every chunk.
        passed["finish_reason"] = None
        if finish_reason := choice.get("finish_reason"):
            state.finish = self._end_of(state, str(finish_reason).lower())
        if usage := choice.get("usage"):
            self.received.note(usage)
        return [*begins, passed]

    def _count(self, state: "_ChoiceState") -> None:
        if state.has_latest:
            self.received.add(state.latest)
            self.received.deltas += 1
            self._has_content = True
        self.has_output = self.has_output or state.has_output

    @property
    def is_filtered(self) -> bool:
        # A choice that it did not end was delivered.
        filtered = [choice.is_refused or choice.finish == FILTERED for choice in self._choices]
        is_well = any(
            choice.has_output and not is_filtered
            for choice, is_filtered in zip(self._choices, filtered, strict=True)
        )
        return any(filtered) and not is_well

    @staticmethod
    def _end_of(state: "_ChoiceState", word: str) -> str:
        """A finish reason by its usual name. Raises ProviderError for one that ends no answer."""
        if word not in FINISHES:
            if not FILTERS.search(word):
                raise ProviderError(Reason.UNKNOWN_END, code=word)
            return FILTERED
        return "tool_calls" if word == "stop" and state.calls else word

    @property
    def finishes(self) -> list[str]:
        usual = (self._finish or Finish.STOP).value
        return [choice.finish or usual for choice in self._choices]

    def _well(self, finish: Finish) -> Finish:
        return finish


#: What of a choice is not passed on as it came.
UNPASSED = {"delta", "message", "usage"}


def _opening(index: int) -> dict[str, Any]:
    """A choice begins: clients place choices by the order in which they begin."""
    return {"index": index, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}


def _has_content(delta: dict[str, Any]) -> bool:
    return any(value for name, value in delta.items() if name != "role")


class _ChoiceState:
    """One text of an answer, as far as it has come."""

    def __init__(self) -> None:
        self.finish = ""
        #: What the latest delta added that counts: text, reasoning, refusal and arguments; and
        #: whether it added anything, be it a call without arguments.
        self.latest, self.has_latest = "", False
        self.has_content = self.has_output = self.is_refused = False
        self.calls: dict[Any, int] = {}
        self._has_role = False
        self._ids: list[str] = []

    def delta(self, delta: Any) -> dict[str, Any]:
        """A delta as it is passed on."""
        passed = {name: value for name, value in delta.items() if name != "role"}
        if not self._has_role:
            passed, self._has_role = {"role": "assistant", **passed}, True
        counted: list[str] = []
        if content := delta.get("content"):
            if not isinstance(content, str):
                content = self._flatten(content, passed)
                counted.append(passed.get("reasoning_content") or "")
            self.has_output = self.has_output or bool(content.strip())
            counted.append(content)
        for name in REASONING:
            if value := delta.get(name):
                counted.append("".join(strings_of(value)))
                break
        if refusal := delta.get("refusal"):
            counted.append(str(refusal))
            self.has_output = self.is_refused = True
        calls, function = delta.get("tool_calls"), delta.get("function_call")
        if calls:
            passed["tool_calls"] = [self._call(call, counted) for call in calls]
        if function:
            counted.append(str(function.get("arguments") or ""))
        other = calls or function or any(delta.get(name) for name in MADE)
        self.has_output = self.has_output or bool(other)
        self.latest = "".join(counted)
        self.has_latest = bool(self.latest or other)
        self.has_content = self.has_content or self.has_latest
        return passed

    def _flatten(self, content: Any, passed: dict[str, Any]) -> str:
        """The text of a content in parts (Mistral's): clients know texts alone."""
        parts = [*parts_of(content)]
        text = "".join(part.text for part in parts if isinstance(part, Text))
        passed["content"] = text or None
        if thought := "".join(part.text for part in parts if isinstance(part, Reasoning)):
            passed["reasoning_content"] = thought
        return text

    def _call(self, call: dict[str, Any], counted: list[str]) -> dict[str, Any]:
        """A piece of a call of a tool: each has its place, the first one an id and a type."""
        function = dict(call.get("function") or {})
        arguments = function.get("arguments")
        if arguments is not None and not isinstance(arguments, str):
            arguments = function["arguments"] = json.dumps(arguments)
        counted.append(arguments or "")
        place, begins = self._place(call, function)
        passed = {**call, "index": place, "function": function}
        if begins:
            passed |= {"id": self._ids[place], "type": call.get("type") or "function"}
            function.setdefault("arguments", "")
        else:
            # Clients add repeated names up.
            passed = {name: value for name, value in passed.items() if name not in {"id", "type"}}
            function.pop("name", None)
        return passed

    def _place(self, call: dict[str, Any], function: dict[str, Any]) -> tuple[int, bool]:
        """The place of a call, and whether it begins. Some providers send whole calls without an
        index, or with the same for all: then a new id begins a new call."""
        index = call["index"] if isinstance(call.get("index"), int) else None
        call_id = str(call.get("id") or "")
        place = self.calls.get(index)
        if place is not None:
            begins = bool(call_id) and call_id != self._ids[place]
            begins = begins or (index is None and not call_id and bool(function.get("name")))
            if not begins:
                return place, False
        self._ids.append(call_id or f"call_{uuid4().hex[:24]}")
        place = len(self._ids) - 1
        self.calls[index] = self.calls[None] = place
        return place, True
