"""What a model says that does as it is told, in OpenAI's chat format: for clients whose own code is
what a test tries. Markers in what the user says tell it what to do:

`[[call NAME {…}]]` call this tool, one after the other, once each; `[[say TEXT]]` answer with this
text; `[[slow]]` a word each 0.05 seconds, 400 of them; `[[status CODE]]` fail with this status,
`[[status CODE N]]` so often, for the same messages.

Without them it calls a tool that it must call, or whose name the question holds, fills a JSON
schema with what the question names, and else says what it heard."""

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.fakes.scripted import Pieces

CALL = re.compile(r"\[\[call ([\w.-]+) (\{.*?\})\]\]", re.DOTALL)
SAY = re.compile(r"\[\[say (.*?)\]\]", re.DOTALL)
STATUS = re.compile(r"\[\[status (\d+)(?: (\d+))?\]\]")
QUOTED = re.compile(r"'([^']+)'")
SLOW_WORDS = 400
HEAD = {"id": "chatcmpl-1", "created": 1_700_000_000}

type Json = dict[str, Any]


def failure_of(asked: Json, times: int) -> int:
    """The status with which a call fails that is made for the so many-th time; 0 if it does not."""
    if not (match := STATUS.search(last_text(asked))):
        return 0
    return 0 if match[2] and times > int(match[2]) else int(match[1])


def obey(asked: Json) -> Any:
    """The body of the answer: JSON, or Pieces of a stream where one was asked for."""
    if "[[slow]]" in last_text(asked):
        message: Json = {"content": "word " * SLOW_WORDS}
    elif calls := list(_calls(asked)):
        message = {"content": None, "tool_calls": calls}
    else:
        message = {"content": _text(asked)}
    finish = "tool_calls" if "tool_calls" in message else "stop"
    most = asked.get("max_completion_tokens") or asked.get("max_tokens")
    if most and message["content"] and len(message["content"].split()) > most:
        words = message["content"].split()[:most]
        message, finish = {"content": " ".join(words)}, "length"
    usage = _usage(asked, message)
    if asked.get("stream"):
        return Pieces(_stream(asked, message, finish, usage))
    answered = {"role": "assistant", "refusal": None, **message}
    choices = [
        {"index": n, "message": answered, "logprobs": None, "finish_reason": finish}
        for n in range(asked.get("n") or 1)
    ]
    head = {**HEAD, "object": "chat.completion", "model": asked["model"]}
    return {**head, "choices": choices, "usage": usage}


def last_text(asked: Json) -> str:
    """What the user said last."""
    said = [message for message in asked["messages"] if message["role"] == "user"]
    return text_of(said[-1]) if said else ""


def text_of(message: Json) -> str:
    """The text of a message, also of one in parts."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content if "text" in part)


def _calls(asked: Json) -> Iterator[Json]:
    """The call that is due, if one is."""
    offered = {tool["function"]["name"]: tool["function"] for tool in asked.get("tools") or []}
    said = "\n".join(text_of(each) for each in asked["messages"] if each["role"] == "user")
    results = sum(message["role"] == "tool" for message in asked["messages"])
    if wanted := CALL.findall(said):
        if results < len(wanted) and wanted[results][0] in offered:
            yield _call(results, *wanted[results])
    elif name := _name_of_due(asked, list(offered)):
        schema = offered[name].get("parameters") or {}
        arguments = json.dumps(example(schema, schema, last_text(asked)), ensure_ascii=False)
        yield _call(results, name, arguments)


def _name_of_due(asked: Json, offered: list[str]) -> str:
    choice = asked.get("tool_choice") or "auto"
    if isinstance(choice, dict):
        return str(choice["function"]["name"])
    if choice == "none" or not offered:
        return ""
    if choice == "required":
        return offered[0]
    text = last_text(asked).lower()
    is_answered = asked["messages"][-1]["role"] == "tool"
    named = [name for name in offered if any(w in text for w in name.split("_") if len(w) > 3)]
    return named[0] if named and not is_answered else ""


def _call(position: int, name: str, arguments: str) -> Json:
    function = {"name": name, "arguments": arguments}
    return {"id": f"call_{position + 1}", "type": "function", "function": function}


def _text(asked: Json) -> str:
    wanted = asked.get("response_format") or {}
    if wanted.get("type") == "json_schema":
        schema = wanted["json_schema"]["schema"]
        filled = example(schema, schema, last_text(asked))
        return json.dumps(filled, ensure_ascii=False)
    if wanted.get("type") == "json_object":
        return json.dumps(dict.fromkeys(QUOTED.findall(last_text(asked)), "text"))
    if match := SAY.search(last_text(asked)):
        return match[1]
    if results := [text_of(each) for each in asked["messages"] if each["role"] == "tool"]:
        return f"The tools said: {', '.join(results)}."
    parts = [part for each in asked["messages"] for part in _parts(each)]
    images = sum(part["type"] == "image_url" for part in parts)
    return f"You said: {last_text(asked)}" + f" With {images} image." * bool(images)


def _parts(message: Json) -> list[Json]:
    content = message.get("content")
    return content if isinstance(content, list) else []


def example(schema: Json, whole: Json, text: str) -> Any:
    """A value that fits a JSON schema: strings and numbers are those that the text names."""
    if "$ref" in schema:
        _, group, name = schema["$ref"].split("/")
        schema = whole[group][name]
    if "anyOf" in schema:
        return example(schema["anyOf"][0], whole, text)
    if values := schema.get("enum") or [schema[key] for key in ("const",) if key in schema]:
        return values[0]
    if schema.get("type") == "array":
        return [example(schema.get("items", {}), whole, text)]
    if "properties" in schema or schema.get("type") == "object":
        fields = schema.get("properties", {})
        return {name: example(field, whole, text) for name, field in fields.items()}
    quoted, number = QUOTED.search(text), re.search(r"\d+", text)
    return {
        "integer": int(number[0]) if number else 1,
        "number": int(number[0]) if number else 1,
        "boolean": True,
    }.get(schema.get("type", ""), quoted[1] if quoted else "text")


def _usage(asked: Json, message: Json) -> Json:
    """A word is a token."""
    read = sum(len(text_of(each).split()) for each in asked["messages"])
    written = len(json.dumps(message.get("tool_calls") or message["content"]).split())
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def _stream(asked: Json, message: Json, finish: str, usage: Json) -> Iterator[bytes | float]:
    """The chunks as OpenAI sends them: words, and arguments in two pieces."""
    for index in range(asked.get("n") or 1):
        yield _chunk(asked, index, {"role": "assistant", "content": "", "refusal": None})
        for word in re.findall(r"\s*\S+\s*", message["content"] or ""):
            if "[[slow]]" in last_text(asked):
                yield 0.05
            yield _chunk(asked, index, {"content": word})
        for position, call in enumerate(message.get("tool_calls", [])):
            whole = call["function"]["arguments"]
            first = {**call, "function": {**call["function"], "arguments": ""}}
            rest = [{"function": {"arguments": part}} for part in (whole[:5], whole[5:])]
            for piece in (first, *rest):
                yield _chunk(asked, index, {"tool_calls": [{"index": position, **piece}]})
        yield _chunk(asked, index, {}, finish)
    if (asked.get("stream_options") or {}).get("include_usage"):
        yield _event({**_head(asked), "choices": [], "usage": usage})
    yield b"data: [DONE]\n\n"


def _chunk(asked: Json, index: int, delta: Json, finish: str | None = None) -> bytes:
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
    return _event({**_head(asked), "choices": [choice], "usage": None})


def _head(asked: Json) -> Json:
    return {**HEAD, "object": "chat.completion.chunk", "model": asked["model"]}


def _event(value: Json) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()
