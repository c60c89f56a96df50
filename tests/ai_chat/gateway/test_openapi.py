"""The description of /v1 and what it describes: bodies as clients send them are valid by it, and
what the site refuses is not."""

from typing import Any

import jsonschema_rs
import pytest

from ai_chat.gateway.openapi import DOCUMENT
from tests.api import Api

HI = [{"role": "user", "content": "Hi"}]
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
CHAT = {"model": "m", "messages": HI}
CLAUDE = {"model": "m", "max_tokens": 9, "messages": HI}
SENT: list[tuple[str, dict[str, Any]]] = [
    ("ChatRequest", CHAT),
    ("ChatRequest", {**CHAT, "n": 8, "max_tokens": None, "stream": True, "temperature": 1.5,
                     "stream_options": {"include_usage": True}, "service_tier": "auto"}),
    ("ChatRequest", {**CHAT, "tools": [TOOL], "tool_choice": "auto", "logit_bias": {"1": 2},
                     "response_format": {"type": "json_object"}, "own": 1}),
    ("ChatRequest", {"model": "m", "messages": [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
            {"type": "file", "file": {"file_data": "data:text/plain;base64,AA==",
                                      "filename": "a.txt"}}]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function",
            "function": {"name": "add", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "1", "content": "3"}]}),
    ("ResponseRequest", {"model": "m", "input": "Hi", "store": False}),
    ("ResponseRequest", {"model": "m", "input": [{"role": "user", "content": "Hi"}],
                         "max_output_tokens": 16, "tools": [{"type": "function", "name": "add"}],
                         "include": ["reasoning.encrypted_content"], "stream": True}),
    ("MessagesRequest", {**CLAUDE, "system": "Be brief.", "stream": True}),
    ("EmbeddingsRequest", {"model": "m", "input": ["a", "b"], "encoding_format": "base64"}),
    ("EmbeddingsRequest", {"model": "m", "input": [[1, 2], [3]], "dimensions": 64}),
    ("ImagesRequest", {"model": "m", "prompt": "A cat", "n": 2, "size": "512x512"}),
]  # fmt: skip
REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("ChatRequest", {"messages": HI}),
    ("ChatRequest", {**CHAT, "messages": []}),
    ("ChatRequest", {**CHAT, "messages": [{"role": "narrator", "content": "Hi"}]}),
    ("ChatRequest", {**CHAT, "n": 9}),
    ("ChatRequest", {**CHAT, "n": 0}),
    ("ChatRequest", {**CHAT, "max_tokens": "9"}),
    ("ChatRequest", {**CHAT, "service_tier": "flex"}),
    ("ChatRequest", {**CHAT, "audio": {"voice": "alloy"}}),
    ("ResponseRequest", {"model": "m", "input": "Hi", "background": True}),
    ("ResponseRequest", {"model": "m", "input": "Hi", "prompt": {"id": "p"}}),
    ("MessagesRequest", {**CLAUDE, "max_tokens": None}),
    ("EmbeddingsRequest", {"model": "m", "input": ""}),
    ("ImagesRequest", {"model": "m", "prompt": "A cat", "n": 99}),
]


def is_valid(shape: str, body: dict[str, Any]) -> bool:
    schema = {"$ref": f"#/components/schemas/{shape}", "components": DOCUMENT["components"]}
    return jsonschema_rs.is_valid(schema, body)


@pytest.mark.parametrize(("shape", "body"), SENT)
def test_what_clients_send_is_valid(shape: str, body: dict[str, Any]) -> None:
    assert is_valid(shape, body)


@pytest.mark.parametrize(("shape", "body"), REFUSED)
def test_what_is_refused_is_not(shape: str, body: dict[str, Any]) -> None:
    assert not is_valid(shape, body)


def test_anyone_reads_it(db: None) -> None:
    answer = Api().get("/v1/openapi.json")
    assert answer.json() == DOCUMENT
    assert answer["Access-Control-Allow-Origin"] == "*"
