"""Tools of a Responses body as chat completions have them: functions alone, in one list."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from ai_chat.gateway.errors import Unsupported
from ai_chat.gateway.responses.fields import Fields, invalid, is_kind, wrong_type

#: Members of a tool that change nothing for a model which calls it directly.
WITHOUT_EFFECT = ("allowed_callers", "async", "defer_loading", "output_schema")
MODES = ("none", "auto", "required")
#: Characters that providers take as a function's name.
MAX_NAME = 64
#: The only parameter of the function that stands for a custom tool, whose input is any text.
CUSTOM_INPUT = "input"
CUSTOM_PARAMETERS = {
    "type": "object",
    "properties": {CUSTOM_INPUT: {"type": "string"}},
    "required": [CUSTOM_INPUT],
    "additionalProperties": False,
}


class Tool(NamedTuple):
    """What the client calls a function that the model is offered under another name or form."""

    name: str
    namespace: str | None = None
    is_custom: bool = False


#: By the name that the model is offered: tools that are not plain functions.
type Tools = dict[str, Tool]


def function_name(name: str, namespace: str | None) -> str:
    """Under which name the model is offered a tool."""
    if not namespace:
        return name
    whole = f"{namespace}__{name}"
    if len(whole) <= MAX_NAME:
        return whole
    digest = hashlib.sha256(whole.encode()).hexdigest()[:12]
    return f"{whole[: MAX_NAME - 13]}_{digest}"


def custom_arguments(text: str) -> str:
    """The arguments of the function that stands for a custom tool."""
    return json.dumps({CUSTOM_INPUT: text})


def custom_input(arguments: str) -> str:
    """The text in such arguments; they themselves if the model wrote none that can be read."""
    try:
        text = json.loads(arguments)[CUSTOM_INPUT]
    except (ValueError, LookupError, TypeError, RecursionError):
        return arguments
    return text if isinstance(text, str) else arguments


def read_tools(body: Fields, ignored: list[str]) -> tuple[dict[str, Any], Tools]:
    """`tools` and `tool_choice` of the body of chat completions, and what the client calls those
    tools. Raises InvalidParameter."""
    tools: Tools = {}
    offered = [
        function for tool in body.objects("tools") for function in _functions(tool, tools, ignored)
    ]
    choice: Any = body.values.get("tool_choice")
    if isinstance(choice, dict):
        offered, choice = _chosen(Fields(choice, "tool_choice"), offered)
    elif choice is not None:
        choice = body.choose("tool_choice", *MODES)
    # Providers refuse a choice where there is nothing to choose from.
    chat = {"tools": offered, "tool_choice": choice} if offered else {}
    return chat, tools


def _functions(tool: Fields, tools: Tools, ignored: list[str]) -> Iterator[dict[str, Any]]:
    match tool.need("type", str):
        case "function":
            yield _function(tool, None, ignored)
        case "namespace":
            namespace = _name(tool)
            for each in tool.objects("tools"):
                if each.need("type", str) != "function":
                    raise Unsupported(each.param("type"))
                function = _function(each, namespace, ignored)
                tools[function["function"]["name"]] = Tool(each.values["name"], namespace)
                yield function
        case "custom":
            tools[_name(tool)] = Tool(_name(tool), is_custom=True)
            yield _custom(tool)
        # Codex offers it so with each call, to every provider, and works without.
        case "web_search" if tool.get("external_web_access", bool) is not None:
            ignored.append(tool.path)
        case _:
            raise Unsupported(
                tool.param("type"), "Tools are functions that the client itself calls."
            )


def _function(tool: Fields, namespace: str | None, ignored: list[str]) -> dict[str, Any]:
    function: dict[str, Any] = {"name": function_name(_name(tool), namespace)}
    for name, kind in (("description", str), ("parameters", dict), ("strict", bool)):
        if (value := tool.get(name, kind)) is not None:
            function[name] = value
    ignored += [tool.param(name) for name in WITHOUT_EFFECT if tool.values.get(name)]
    return {"type": "function", "function": function}


def _custom(tool: Fields) -> dict[str, Any]:
    """A function that takes the text; a grammar goes to the model, and is not enforced."""
    description = tool.get("description", str) or ""
    wanted = tool.object("format")
    if wanted and wanted.need("type", str) == "grammar":
        grammar = wanted.need("definition", str)
        description = f"{description}\n\nThe input must follow this grammar:\n{grammar}".strip()
    function = {"name": _name(tool), "description": description, "parameters": CUSTOM_PARAMETERS}
    return {"type": "function", "function": function}


def _name(tool: Fields) -> str:
    name: str = tool.need("name", str)
    if not name:
        raise invalid(tool.param("name"), "must not be empty.")
    return name


def _chosen(choice: Fields, offered: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], Any]:
    """The tools that are offered, and which of them is to be called. A list of allowed tools leaves
    the others out: few providers know such lists."""
    match choice.need("type", str):
        case "function" | "custom":
            name = _known(choice, offered)
            return offered, {"type": "function", "function": {"name": name}}
        case "allowed_tools":
            mode = choice.choose("mode", "auto", "required") or "auto"
            allowed = {_known(tool, offered) for tool in choice.objects("tools")}
            return [tool for tool in offered if tool["function"]["name"] in allowed], mode
        case _:
            raise Unsupported(choice.param("type"))


def _known(choice: Fields, offered: list[dict[str, Any]]) -> str:
    name = function_name(_name(choice), choice.get("namespace", str))
    if all(tool["function"]["name"] != name for tool in offered):
        raise invalid(choice.param("name"), "is none of 'tools'.")
    return name


def read_format(body: Fields) -> dict[str, Any]:
    """`text` of the body as `response_format` and `verbosity`. Raises InvalidParameter."""
    text = body.object("text")
    if text is None:
        return {}
    chat: dict[str, Any] = {"verbosity": text.choose("verbosity", "low", "medium", "high")}
    wanted = text.object("format")
    match wanted and wanted.need("type", str):
        case None | "text":
            pass
        case "json_object":
            chat["response_format"] = {"type": "json_object"}
        case "json_schema" if wanted:
            schema = {"name": _name(wanted), "schema": wanted.need("schema", dict)}
            for name, kind in (("description", str), ("strict", bool)):
                if (value := wanted.get(name, kind)) is not None:
                    schema[name] = value
            chat["response_format"] = {"type": "json_schema", "json_schema": schema}
        case _:
            raise Unsupported("text.format.type")
    return chat


def read_strings(body: Fields, name: str) -> list[str]:
    """A list of strings; empty if it is left out or null. Raises InvalidParameter."""
    values = body.get(name, list) or []
    for position, value in enumerate(values):
        if not is_kind(value, str):
            raise wrong_type(f"{body.param(name)}[{position}]", str)
    return list(values)
