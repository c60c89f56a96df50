"""From a body of POST /v1/responses to one of chat completions."""

import re
from typing import Any, NamedTuple, Protocol

from ai_chat.gateway.bodies import is_among
from ai_chat.gateway.errors import Unsupported
from ai_chat.gateway.responses.fields import Fields, invalid, wrong_type
from ai_chat.gateway.responses.items import Reading, read_items
from ai_chat.gateway.responses.tools import Tools, read_format, read_strings, read_tools

type Item = dict[str, Any]

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
#: Parameters that ask for another answer than can be given, or cost what has no price yet.
UNSUPPORTED = {
    "audio": "",
    "context_management": "Send what the model is to read as 'input'.",
    "conversation": "Use 'previous_response_id', or send all items as 'input'.",
    "frequency_penalty": "",
    "functions": "Use 'tools'.",
    "max_completion_tokens": "Use 'max_output_tokens'.",
    "max_tokens": "Use 'max_output_tokens'.",
    "messages": "Use 'input'.",
    "modalities": "Answers are text.",
    "moderation": "",
    "n": "There is one answer.",
    "prediction": "",
    "presence_penalty": "",
    "prompt": "Send the prompt itself as 'instructions' or 'input'.",
    "reasoning_effort": "Use 'reasoning.effort'.",
    "response_format": "Use 'text.format'.",
    "seed": "",
    "stop": "",
    "web_search_options": "",
}
#: Parameters with one value, beside null, that means what is done here anyway.
USUAL: dict[str, tuple[object, ...]] = {
    "background": (False,),
    "prompt_cache_retention": ("in_memory",),
    "service_tier": ("auto", "default"),
}
#: Parameters of chat completions under the same name, and their types.
PASSED: dict[str, type] = {
    "model": str,
    "temperature": float,
    "top_p": float,
    "parallel_tool_calls": bool,
    "prompt_cache_key": str,
    "safety_identifier": str,
    "user": str,
}
#: What is read below. All that stands in none of these lists is left out and named.
READ = {
    *("include", "input", "instructions", "max_output_tokens", "metadata", "previous_response_id"),
    *("reasoning", "store", "stream", "stream_options", "text", "tool_choice", "tools"),
    *("top_logprobs", "truncation"),
}
#: Names that fit into a header; others are reported as `?`.
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
LOGPROBS = "message.output_text.logprobs"
#: Values of `include` for what every response has.
INCLUDED = {LOGPROBS, "reasoning.encrypted_content", "message.input_image.image_url"}
MAX_TOP_LOGPROBS = 20


class Kept(Protocol):
    """Where items of earlier calls are. Raises InvalidParameter for what is not there."""

    def items(self, references: list[Fields]) -> list[Item]:
        """The items that these `item_reference`s name, in their order."""

    def conversation(self, response_id: str) -> list[Item]:
        """All items up to this response, those that it answered among them."""


class Incoming(NamedTuple):
    """What a body asks for."""

    #: The body of chat completions, without `stream`.
    chat: dict[str, Any]
    #: What the client calls tools that the model is offered otherwise.
    tools: Tools
    #: The members of the response that repeat the request.
    repeated: dict[str, Any]
    #: The items that came with this body, as they came.
    items: list[Item]
    #: Paths of members that were left out and cost nothing.
    ignored: list[str]
    #: Whether the answer is to be kept.
    store: bool
    stream: bool

    @property
    def call_ids(self) -> set[str]:
        """The ids of all calls of tools in the conversation."""
        messages = self.chat["messages"]
        return {call["id"] for message in messages for call in message.get("tool_calls", ())}


def read_request(body: object, kept: Kept, *, remote_images: bool = False) -> Incoming:
    """Reads a body, which may be any JSON without NaN. Raises InvalidParameter."""
    fields = Fields(body)
    ignored = _refuse_or_ignore(fields)
    fields.need("model", str)
    chat = {name: fields.get(name, kind) for name, kind in PASSED.items()}
    chat["max_tokens"] = _positive(fields, "max_output_tokens")
    chat |= _reasoning(fields, ignored) | _logprobs(fields, ignored)
    offered, tools = read_tools(fields, ignored)
    chat |= offered | read_format(fields)
    items = _items(fields)
    reading = Reading(fields.values["model"], remote_images)
    messages = read_items(_whole_conversation(fields, items, kept), reading)
    if not messages:
        raise invalid("input", "must hold a message.")
    if instructions := fields.get("instructions", str):
        messages.insert(0, {"role": "system", "content": instructions})
    chat["messages"] = messages
    return Incoming(
        chat={name: value for name, value in chat.items() if value is not None},
        tools=tools,
        repeated=_repeated(fields),
        items=[item.values for item in items],
        ignored=ignored,
        store=fields.get("store", bool) is not False,
        stream=bool(fields.get("stream", bool)),
    )


def _refuse_or_ignore(fields: Fields) -> list[str]:
    ignored = []
    for name, value in fields.values.items():
        if value is None or name in READ or name in PASSED:
            continue
        if name in UNSUPPORTED:
            raise Unsupported(name, UNSUPPORTED[name])
        if name not in USUAL:
            ignored.append(name if NAME.fullmatch(name) else "?")
        elif not is_among(value, USUAL[name]):
            raise Unsupported(name)
    if fields.choose("truncation", "auto", "disabled") == "auto":
        ignored.append("truncation")
    stream_options = fields.object("stream_options")
    if stream_options and stream_options.get("include_obfuscation", bool):
        ignored.append("stream_options.include_obfuscation")
    return ignored


def _positive(fields: Fields, name: str) -> int | None:
    value: int | None = fields.get(name, int)
    if value is not None and value < 1:
        raise invalid(fields.param(name), "must be at least 1.")
    return value


def _reasoning(fields: Fields, ignored: list[str]) -> dict[str, Any]:
    reasoning = fields.object("reasoning")
    if reasoning is None:
        return {}
    # Reasoning is passed on whatever kind of summary is wanted.
    for name in ("summary", "generate_summary"):
        reasoning.get(name, str)
    if reasoning.get("mode", str) not in {None, "standard"}:
        raise Unsupported(reasoning.param("mode"))
    if reasoning.get("context", str) not in {None, "auto", "current_turn"}:
        ignored.append(reasoning.param("context"))
    return {"reasoning_effort": reasoning.choose("effort", *EFFORTS)}


def _logprobs(fields: Fields, ignored: list[str]) -> dict[str, Any]:
    """Whether and how many alternatives are wanted; other values of `include` are for what every
    response has, or for tools that are not there."""
    include = read_strings(fields, "include")
    ignored += [f"include[{at}]" for at, name in enumerate(include) if name not in INCLUDED]
    most: int | None = fields.get("top_logprobs", int)
    if most is not None and not 0 <= most <= MAX_TOP_LOGPROBS:
        raise invalid("top_logprobs", f"must be between 0 and {MAX_TOP_LOGPROBS}.")
    if LOGPROBS not in include and not most:
        return {}
    return {"logprobs": True, "top_logprobs": most}


def _items(fields: Fields) -> list[Fields]:
    """The items of `input`; a text is one message of the user."""
    value = fields.values.get("input")
    if isinstance(value, str):
        return [Fields({"type": "message", "role": "user", "content": value}, "input[0]")]
    if value is not None and not isinstance(value, list):
        raise wrong_type("input", str, list)
    fields.need("input", list)
    return list(fields.objects("input"))


def _whole_conversation(fields: Fields, items: list[Fields], kept: Kept) -> list[Fields]:
    """The kept items before, and these with what they refer to."""
    before: list[Item] = []
    if previous := fields.get("previous_response_id", str):
        before = kept.conversation(previous)
    references = [item for item in items if is_reference(item.values)]
    referred = iter(kept.items(references) if references else [])
    return [
        *(Fields(item, f"previous_response_id[{at}]") for at, item in enumerate(before)),
        *(
            Fields(next(referred), item.path) if is_reference(item.values) else item
            for item in items
        ),
    ]


def is_reference(item: Item) -> bool:
    """Whether it is an `item_reference`: their type may be left out."""
    kind = item.get("type")
    bare = kind is None and "id" in item and item.keys() <= {"id", "type"}
    return bare or kind == "item_reference"


def _repeated(fields: Fields) -> dict[str, Any]:
    values = fields.values
    reasoning, text = values.get("reasoning") or {}, values.get("text") or {}
    metadata = fields.get("metadata", dict)
    return {
        "background": False,
        "instructions": values.get("instructions"),
        "max_output_tokens": _positive(fields, "max_output_tokens"),
        "max_tool_calls": None,
        "metadata": metadata or {},
        "model": values["model"],
        "parallel_tool_calls": values.get("parallel_tool_calls") is not False,
        "previous_response_id": values.get("previous_response_id"),
        "prompt_cache_key": values.get("prompt_cache_key"),
        "reasoning": {"effort": reasoning.get("effort"), "summary": reasoning.get("summary")},
        "safety_identifier": values.get("safety_identifier"),
        "service_tier": "default",
        "temperature": values.get("temperature"),
        "text": {**text, "format": text.get("format") or {"type": "text"}},
        "tool_choice": values.get("tool_choice") or "auto",
        "tools": values.get("tools") or [],
        "top_logprobs": values.get("top_logprobs"),
        "top_p": values.get("top_p"),
        "truncation": "disabled",
        "user": values.get("user"),
    }
