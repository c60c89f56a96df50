"""Whatever of a body a provider may show to its model is within the bound that is reserved for, or
is refused."""

import base64
from typing import Any

import pytest
from django.test import RequestFactory

from ai_chat.gateway.chat import chat_call
from ai_chat.gateway.messages import message_call
from config.errors import DomainError
from credits.models import AIModel, Provider

MANY = 10_000
LONG = "x" * MANY
PDF = "data:application/pdf;base64,JVBERi0xLjcK"
MODEL = AIModel(
    name="m",
    reads_images=True,
    reads_files=True,
    image_tokens=100,
    tokens_per_page=100,
    output_tokens=1000,
)
MODEL.token_price = None


def bound_of(endpoint: Any, dialect: str, body: dict[str, Any]) -> int | None:
    """The most tokens that are read of a body; None when it is refused."""
    MODEL.provider = Provider(dialect=dialect, base_url="https://provider.example/v1")
    http = RequestFactory().post("/v1/x")
    http.META |= {"BODY_DIGEST": "", "ACCOUNT_ID": 1}
    try:
        return int(endpoint(http, body, MODEL).asked.input_bound)
    except DomainError:
        return None


def chat_bound(**body: Any) -> int | None:
    hello = [{"role": "user", "content": "Hello"}]
    return bound_of(chat_call, Provider.Dialect.COMPATIBLE, {"messages": hello, **body})


def message_bound(**body: Any) -> int | None:
    hello = [{"role": "user", "content": "Hello"}]
    body = {"messages": hello, "max_tokens": 100, **body}
    return bound_of(message_call, Provider.Dialect.ANTHROPIC, body)


def part(**members: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [members]}]}


def says(**members: Any) -> dict[str, Any]:
    return {"messages": [{"role": "assistant", "content": "Hi", **members}]}


FUNCTION = {"type": "function", "function": {"name": "f"}}
IN_CHAT: list[dict[str, Any]] = [
    part(type="text", text=LONG),
    part(type="text", text="", more=LONG),
    part(type="refusal", refusal=LONG),
    part(type="thinking", thinking=LONG),
    part(type="thinking", thinking=[{"type": "text", "text": LONG}]),
    part(type="reasoning", summary=[{"text": LONG}]),
    part(type="text", text="a", annotations=[LONG]),
    part(type="image_url", image_url={"url": "data:image/png;base64,AAAA", "caption": LONG}),
    part(type="image_url", image_url={"url": "data:image/png;base64,AAAA"}, text=LONG),
    part(type="file", file={"file_data": PDF, "filename": LONG}),
    part(type="file", file={"file_data": PDF}, text=LONG),
    # A provider may take what is no base64, or stands behind its end.
    part(type="file", file={"file_data": f"data:text/plain,{'<' * MANY}"}),
    part(type="file", file={"file_data": f"data:text/plain;base64,{'-_' * MANY}"}),
    part(type="file", file={"file_data": f"data:text/plain;base64,QQ=={'QUFB' * MANY}"}),
    # A film or a paper is no picture.
    part(type="image_url", image_url={"url": "data:video/mp4;base64," + "AAAA" * MANY}),
    part(type="image_url", image_url={"url": "data:application/pdf;base64," + "AAAA" * MANY}),
    says(name=LONG),
    says(thinking=LONG),
    says(thinking_blocks=[{"thinking": LONG}]),
    says(tool_plan=LONG),
    says(reasoning_content=LONG),
    says(tool_calls=[{"id": "1", **FUNCTION, "extra_content": {"a": LONG}}]),
    {"messages": [{"role": "tool", "tool_call_id": "1", "content": LONG}]},
    {"tools": [{**FUNCTION, "function": {"name": "f", "description": LONG}}]},
    {"tools": [{"type": "function", "function": {"name": "f", "parameters": {LONG: {}}}}]},
    {"functions": [{"name": "f", "parameters": {"enum": [LONG]}}]},
    {"function_call": {"name": LONG}},
    {"tool_choice": {"type": "function", "function": {"name": LONG}}},
    {"response_format": {"type": "json_schema", "json_schema": {"schema": {LONG: {}}}}},
    # Templates of chats print it.
    {"reasoning_effort": LONG},
    {"verbosity": LONG},
]
SOURCE = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjcK"}
PICTURE = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
IN_MESSAGES: list[dict[str, Any]] = [
    {"system": LONG},
    {"system": [{"type": "text", "text": LONG}]},
    part(type="text", text=LONG),
    part(type="document", source=SOURCE, title=LONG),
    part(type="document", source=SOURCE, context=LONG),
    part(type="document", source={"type": "content", "data": "x", "content": LONG}),
    part(type="document", source={"type": "text", "data": LONG}),
    part(type="document", source={**SOURCE, "data": base64.b64encode(LONG.encode()).decode()}),
    part(type="document", source={**SOURCE, "data": f"QQ=={'QUFB' * MANY}"}),
    part(type="image", source=PICTURE, caption=LONG),
    part(type="tool_result", tool_use_id="1", content=[{"type": "text", "text": LONG}]),
    part(type="search_result", source=LONG, title="t", content=[]),
    {"tools": [{"name": "f", "description": LONG, "input_schema": {}}]},
    {"tool_choice": {"type": "tool", "name": LONG}},
    {"output_config": {"format": {"schema": {LONG: {}}}}},
    {"something_new": {"a": [LONG]}},
]


def shown(value: Any) -> str:
    return repr(value).replace(LONG, "LONG").replace("AAAA" * 9, "")[:100]


@pytest.mark.parametrize("body", IN_CHAT, ids=shown)
def test_all_that_chat_completions_pass_on_is_bounded(body: dict[str, Any]) -> None:
    bound = chat_bound(**body)
    assert bound is None or bound >= MANY


@pytest.mark.parametrize("body", IN_MESSAGES, ids=shown)
def test_all_that_messages_pass_on_is_bounded(body: dict[str, Any]) -> None:
    bound = message_bound(**body)
    assert bound is None or bound >= MANY


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "web_search", "web_search": {"enable": True}},
        {"type": "builtin_function", "function": {"name": "$web_search"}},
        {"type": "openrouter:web_search"},
        {"google_search": {}},
        {"type": ["function"]},
    ],
    ids=str,
)
def test_tools_that_a_provider_runs_have_no_price(tool: dict[str, Any]) -> None:
    assert chat_bound(tools=[FUNCTION]) is not None
    assert chat_bound(tools=[FUNCTION, tool]) is None


HOUR = {"type": "ephemeral", "ttl": "1h"}


@pytest.mark.parametrize(
    "body",
    [
        {"cache_control": HOUR},
        {"tools": [{"name": "f", "input_schema": {}, "cache_control": HOUR}]},
        part(type="image", source=PICTURE, cache_control=HOUR),
        part(type="document", source=SOURCE, cache_control=HOUR),
        {"context_management": {"edits": [{"type": "compact_20260112"}]}},
        {"context_management": {"edits": {"type": "compact_20260112"}}},
        {"context_management": {"edits": [{"type": "clear_thinking"}, "compact_20260112"]}},
    ],
    ids=shown,
)
def test_what_anthropic_asks_another_price_for_is_refused(body: dict[str, Any]) -> None:
    assert message_bound(context_management={"edits": [{"type": "clear_thinking"}]}) is not None
    assert message_bound(**body) is None


def test_a_picture_is_in_the_estimate_where_nobody_counts() -> None:
    """Else a client that leaves just before the end has the model look for nothing."""
    body = part(type="image_url", image_url={"url": "data:image/png;base64,AAAA"})
    MODEL.provider = Provider(dialect=Provider.Dialect.COMPATIBLE, base_url="https://p.example")
    http = RequestFactory().post("/v1/x")
    http.META |= {"BODY_DIGEST": "", "ACCOUNT_ID": 1}
    assert chat_call(http, body, MODEL).text_bytes == MODEL.image_tokens
