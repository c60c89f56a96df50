"""Items of a Responses body as messages of chat completions."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from ai_chat.gateway.errors import Unsupported
from ai_chat.gateway.responses.fields import (
    Fields,
    InvalidParameter,
    invalid,
    is_kind,
    wrong_type,
)
from ai_chat.gateway.responses.tools import custom_arguments, function_name

ROLES = ("user", "assistant", "system", "developer")
#: Stands between parts of one text: few providers take text in parts.
BETWEEN_PARTS = "\n"
#: What a tool answered with pictures alone says: chat completions takes them from users only.
SHOWN_BELOW = "(see the next message)"
#: Under which names providers take back what their model thought.
TAKEN_BACK = ("reasoning_content", "reasoning")
#: Begins the mark of reasoning that is our own (`reasoning_mark`).
MARK = "tally"


def reasoning_mark(name: str, model: str) -> str:
    """The `encrypted_content` of a reasoning item: under which name its model's provider sent it,
    and so takes it back while the model goes on with the same turn."""
    return f"{MARK}:{name}:{model}"


class Reading(NamedTuple):
    """What decides how items are read: the model that is to have them, and whether providers may
    fetch pictures from the web."""

    model: str
    remote_images: bool


class _Turn:
    """A message, and if it calls tools what these answered."""

    def __init__(self, message: dict[str, Any]) -> None:
        self.message = message
        #: By the ids of its calls; None until it is answered.
        self.outputs: dict[str, dict[str, Any] | None] = {}
        #: Pictures and files that tools answered with.
        self.shown: list[dict[str, Any]] = []


def read_items(items: list[Fields], reading: Reading) -> list[dict[str, Any]]:
    """The messages of a conversation. Raises InvalidParameter.

    Answers of tools follow the message that called them, wherever they stood. Reasoning is passed
    on within the turn that is not ended (after the last message of the user) to the model that
    it came from; all other reasoning is left out."""
    of_user = [at for at, item in enumerate(items) if item.values.get("role") == "user"]
    messages = _Messages(reading)
    for position, item in enumerate(items):
        messages.add(item, is_current=not of_user or position > of_user[-1])
    return messages.finished()


class _Messages:
    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._turns: list[_Turn] = []
        #: The turn of the assistant that further calls belong to.
        self._open: _Turn | None = None
        #: By the id of a call: the latest turn with it. Some providers number them per answer.
        self._calls: dict[str, _Turn] = {}
        #: What was thought before the next message of the assistant, by its name.
        self._thought: dict[str, str] = {}

    def add(self, item: Fields, *, is_current: bool) -> None:
        kind = item.get("type", str) or ("message" if "role" in item.values else None)
        match kind:
            case "message":
                self._add_message(item)
            case "function_call":
                self._add_call(item, item.need("arguments", str))
            case "custom_tool_call":
                self._add_call(item, custom_arguments(item.need("input", str)))
            case "function_call_output" | "custom_tool_call_output":
                self._add_output(item)
            case "reasoning":
                name, text = self._reasoning_of(item)
                if name and is_current:
                    self._thought[name] = self._thought.get(name, "") + text
            case None:
                item.need("type", str)
            case _:
                raise Unsupported(item.param("type"), "No such items are.")

    def _add_message(self, item: Fields) -> None:
        item.need("role", str)
        role = item.choose("role", *ROLES)
        content = self._content(item, "content")
        if role != "assistant":
            self._open = None
            self._turns.append(_Turn({"role": role, "content": content}))
            return
        if not isinstance(content, str):
            raise Unsupported(item.param("content"), "Messages of the assistant are text.")
        if self._open is None or self._open.message["content"] is not None:
            self._begin()
        self._assistant()["content"] = content

    def _add_call(self, item: Fields, arguments: str) -> None:
        call_id = item.need("call_id", str)
        name = function_name(item.need("name", str), item.get("namespace", str))
        function = {"name": name, "arguments": arguments}
        call = {"id": call_id, "type": "function", "function": function}
        if extra := item.get("extra_content", dict):
            call["extra_content"] = extra
        # The same id again is another turn's call: its provider numbers them per answer.
        if self._open is not None and call_id in self._open.outputs:
            self._begin()
        self._assistant().setdefault("tool_calls", []).append(call)
        if self._open:
            self._open.outputs[call_id] = None
            self._calls[call_id] = self._open

    def _add_output(self, item: Fields) -> None:
        call_id = item.need("call_id", str)
        turn = self._calls.get(call_id)
        if turn is None:
            message = f"No tool call has the call_id of '{item.param('call_id')}'."
            raise InvalidParameter(item.param("call_id"), message, "invalid_value")
        content = self._content(item, "output")
        if not isinstance(content, str):
            turn.shown += [part for part in content if part["type"] != "text"]
            content = _joined(content) or SHOWN_BELOW
        turn.outputs[call_id] = {"role": "tool", "tool_call_id": call_id, "content": content}
        self._open = None

    def _assistant(self) -> dict[str, Any]:
        """The open message of the assistant, with what was thought before it."""
        turn = self._open or self._begin()
        for name, text in self._thought.items():
            turn.message[name] = turn.message.get(name, "") + text
        self._thought = {}
        return turn.message

    def _begin(self) -> _Turn:
        self._open = _Turn({"role": "assistant", "content": None})
        self._turns.append(self._open)
        return self._open

    def _reasoning_of(self, item: Fields) -> tuple[str, str]:
        """The name under which the model takes it, and the text; no name for what it does not."""
        parts = [*item.objects("summary"), *item.objects("content")]
        text = "".join(part.need("text", str) for part in parts)
        mark = item.get("encrypted_content", str) or ""
        _, _, rest = mark.partition(":")
        name = rest.partition(":")[0]
        is_own = name in TAKEN_BACK and mark == reasoning_mark(name, self._reading.model)
        return (name if is_own and text else ""), text

    def _content(self, item: Fields, name: str) -> str | list[dict[str, Any]]:
        """A content: one string, unless it holds more than text."""
        value = item.values.get(name)
        if is_kind(value, str):
            return str(value)
        if value is None:
            item.need(name, str)
        elif not is_kind(value, list):
            raise wrong_type(item.param(name), str, list)
        parts = [self._part(part) for part in item.objects(name)]
        is_text = all(part["type"] == "text" for part in parts)
        return _joined(parts) if is_text else parts

    def _part(self, part: Fields) -> dict[str, Any]:
        match part.need("type", str):
            case "input_text" | "output_text" | "text":
                return {"type": "text", "text": part.need("text", str)}
            case "refusal":
                return {"type": "text", "text": part.need("refusal", str)}
            case "input_image":
                return self._image(part)
            case "input_file":
                return _file(part)
            case _:
                raise Unsupported(part.param("type"))

    def _image(self, part: Fields) -> dict[str, Any]:
        if part.get("file_id", str):
            raise Unsupported(part.param("file_id"), "Send the picture as a data: URL.")
        url = part.need("image_url", str)
        is_data = url.startswith("data:")
        if not is_data and not (self._reading.remote_images and url.startswith("https://")):
            raise Unsupported(part.param("image_url"), "Send the picture as a data: URL.")
        image = {"url": url}
        if detail := part.get("detail", str):
            image["detail"] = detail
        return {"type": "image_url", "image_url": image}

    def finished(self) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = []
        for turn in self._turns:
            messages.append(turn.message)
            for output in turn.outputs.values():
                if output is None:
                    message = "Each function_call needs its function_call_output in 'input'."
                    raise InvalidParameter("input", message, "invalid_value")
                messages.append(output)
            if turn.shown:
                messages.append({"role": "user", "content": turn.shown})
        return messages


def _file(part: Fields) -> dict[str, Any]:
    for name in ("file_id", "file_url"):
        if part.get(name, str):
            raise Unsupported(part.param(name), "Send the file itself as 'file_data'.")
    data = part.need("file_data", str)
    if not data.startswith("data:"):
        raise invalid(part.param("file_data"), "must be a data: URL.")
    file = {"file_data": data}
    if filename := part.get("filename", str):
        file["filename"] = filename
    return {"type": "file", "file": file}


def _joined(parts: Iterable[dict[str, Any]]) -> str:
    return BETWEEN_PARTS.join(part["text"] for part in parts if part["type"] == "text")
