"""Answers of /v1 as clients put them together."""

import json
from typing import Any, NamedTuple

import httpx
import openai
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from tests.ai_chat.gateway.client import ApiProgram


class Streamed(NamedTuple):
    """A streamed answer: its events, what OpenAI's SDK made of its chunks, and the error that ended
    it, if one did."""

    response: httpx.Response
    events: list[str]
    completion: Any
    error: dict[str, Any] | None

    @property
    def chunks(self) -> list[dict[str, Any]]:
        chunks = [json.loads(event) for event in self.events if event != "[DONE]"]
        return [chunk for chunk in chunks if "error" not in chunk]


def stream(program: ApiProgram, body: dict[str, Any], **headers: str) -> Streamed:
    """The answer to this body, streamed, with its usage. Fails where an accumulator of the SDK
    does."""
    options = {"stream": True, "stream_options": {"include_usage": True}}
    with program.http.stream(
        "POST", "/chat/completions", json=body | options, headers=headers
    ) as response:
        if response.status_code != 200:
            response.read()
            return Streamed(response, [], None, response.json()["error"])
        lines = [line for line in response.iter_lines() if line]
    assert all(line.startswith("data: ") for line in lines), lines
    events = [line.removeprefix("data: ") for line in lines]
    state = ChatCompletionStreamState()
    answer = Streamed(response, events, None, None)
    for chunk in answer.chunks:
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
    last = json.loads(events[-1]) if events[-1] != "[DONE]" else {}
    if error := last.get("error"):
        return answer._replace(error=error)
    return answer._replace(completion=completed(state))


def completed(state: ChatCompletionStreamState) -> Any:
    """What the SDK has put together; also of an answer that reached its length."""
    try:
        return state.get_final_completion()
    except (openai.LengthFinishReasonError, openai.ContentFilterFinishReasonError):
        return state.current_completion_snapshot


def spoken(message: dict[str, Any]) -> dict[str, Any]:
    """What a message says, but for the ids of its calls: they are ours, and new each time, where
    the provider gives none."""
    names = ("content", "refusal", "reasoning", "reasoning_content")
    calls = message.get("tool_calls") or []
    functions = [(call["type"], call["function"]) for call in calls]
    return {
        **{name: message.get(name) or None for name in names},
        "calls": [(kind, each["name"], each["arguments"]) for kind, each in functions],
    }
