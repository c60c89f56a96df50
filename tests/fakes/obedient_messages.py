"""The model of `obedient.py` behind Anthropic's Messages API."""

from collections.abc import Iterator
from typing import Any

from tests.ai_chat.gateway.test_messages import START, STOP, block, end, says, stream
from tests.fakes.obedient import obey, text_of

type Json = dict[str, Any]


def obey_message(asked: Json) -> bytes:
    """The stream of the answer."""
    tools = [
        {"function": {"name": tool["name"], "parameters": tool.get("input_schema")}}
        for tool in asked.get("tools") or []
    ]
    messages = [each for message in asked["messages"] for each in _in_chat(message)]
    answer = obey({"model": asked["model"], "messages": messages, "tools": tools})
    message = answer["choices"][0]["message"]
    if calls := message.get("tool_calls"):
        [call] = calls
        name, arguments = call["function"]["name"], call["function"]["arguments"]
        used = {"type": "tool_use", "id": f"toolu_{call['id']}", "name": name, "input": {}}
        delta = {"type": "input_json_delta", "partial_json": arguments}
        return stream(START, *block(0, used, delta), end("tool_use"), STOP)
    return stream(START, *says(message["content"]), end(), STOP)


def _in_chat(message: Json) -> Iterator[Json]:
    """A message as chat completions have it: the results of tools are messages of their own."""
    if isinstance(message["content"], str):
        yield message
        return
    results = [part for part in message["content"] if part["type"] == "tool_result"]
    for part in results:
        content = part.get("content") or ""
        yield {"role": "tool", "content": content if isinstance(content, str) else text_of(part)}
    if texts := [part for part in message["content"] if part["type"] == "text"]:
        yield {"role": message["role"], "content": texts}
