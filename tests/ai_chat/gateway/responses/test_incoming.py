"""Bodies of POST /v1/responses as bodies of chat completions: what each member becomes, and what
is refused by name."""

from typing import Any

import pytest
from openai.types.chat import completion_create_params
from pydantic import TypeAdapter

from ai_chat.gateway.errors import ApiError
from ai_chat.gateway.responses.incoming import Incoming, Item, read_request
from ai_chat.gateway.responses.items import reasoning_mark
from tests.ai_chat.gateway.responses.memory import CALL, OUTPUT, USER, Memory

CHAT = TypeAdapter(completion_create_params.CompletionCreateParamsNonStreaming)
PIXEL = "data:image/png;base64,iVBORw0KGgo="
SCHEMA = {"type": "object", "properties": {}}
TOOL = {"type": "function", "name": "weather", "parameters": SCHEMA}


def read(*, kept: Any = None, remote_images: Any = False, **body: Any) -> Incoming:
    body = {"model": "m", "input": "Hello", **body}
    return read_request(body, kept or Memory(), remote_images=remote_images)


def messages_of(*items: Item, **more: Any) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = read(input=list(items), **more).chat["messages"]
    return messages


def refusal_of(**body: Any) -> tuple[str | None, str]:
    with pytest.raises(ApiError) as caught:
        read(**body)
    assert caught.value.status == 400
    return caught.value.param, caught.value.code


def test_a_text_is_one_message_after_the_instructions() -> None:
    incoming = read(instructions="Be brief.", input="Hello")
    assert incoming.chat == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello"},
        ],
    }
    assert incoming.store
    assert not incoming.stream
    assert incoming.items == [{"type": "message", "role": "user", "content": "Hello"}]


def test_parameters_have_their_names_of_chat_completions() -> None:
    incoming = read(
        max_output_tokens=100,
        temperature=0,
        top_p=0.5,
        parallel_tool_calls=False,
        reasoning={"effort": "low", "summary": "auto"},
        text={"verbosity": "low", "format": {"type": "json_schema", "name": "x", "schema": SCHEMA}},
        top_logprobs=2,
        include=["message.output_text.logprobs", "reasoning.encrypted_content"],
        user="u",
        prompt_cache_key="k",
        store=False,
        stream=True,
        metadata={"a": "b"},
    )
    CHAT.validate_python(incoming.chat)
    del incoming.chat["messages"]
    assert incoming.chat == {
        "model": "m",
        "max_tokens": 100,
        "temperature": 0,
        "top_p": 0.5,
        "parallel_tool_calls": False,
        "reasoning_effort": "low",
        "verbosity": "low",
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}},
        "logprobs": True,
        "top_logprobs": 2,
        "user": "u",
        "prompt_cache_key": "k",
    }
    assert (incoming.store, incoming.stream, incoming.ignored) == (False, True, [])
    assert incoming.repeated["metadata"] == {"a": "b"}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"background": True}, "background"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"audio": {}}, "audio"),
        ({"modalities": ["audio"]}, "modalities"),
        ({"service_tier": "priority"}, "service_tier"),
        ({"prompt_cache_retention": "24h"}, "prompt_cache_retention"),
        ({"max_tokens": 5}, "max_tokens"),
        ({"reasoning": {"mode": "pro"}}, "reasoning.mode"),
        ({"tools": [TOOL, {"type": "web_search"}]}, "tools[1].type"),
        ({"tools": [{"type": "mcp", "server_label": "x"}]}, "tools[0].type"),
        ({"tools": [TOOL], "tool_choice": {"type": "mcp"}}, "tool_choice.type"),
        ({"text": {"format": {"type": "grammar"}}}, "text.format.type"),
        ({"input": [USER, {"type": "web_search_call", "id": "ws_1"}]}, "input[1].type"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_audio"}]}]},
            "input[0].content[0].type",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "file_1"}]}]},
            "input[0].content[0].file_id",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(body: dict[str, Any], param: str) -> None:
    assert refusal_of(**body) == (param, "unsupported_parameter")


def test_null_and_the_usual_values_are_no_wish() -> None:
    incoming = read(
        background=False, conversation=None, service_tier="auto", max_tokens=None, truncation=None
    )
    assert incoming.ignored == []


def test_what_is_harmless_is_left_out_and_named() -> None:
    incoming = read(
        client_metadata={"a": 1},
        truncation="auto",
        include=["file_search_call.results"],
        tools=[
            {**TOOL, "defer_loading": True},
            {"type": "web_search", "external_web_access": True},
        ],
        **{"a header\r\n": 1},
    )
    assert sorted(incoming.ignored) == [
        "?",
        "client_metadata",
        "include[0]",
        "tools[0].defer_loading",
        "tools[1]",
        "truncation",
    ]
    assert [tool["function"]["name"] for tool in incoming.chat["tools"]] == ["weather"]


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"model": None}, "model", "missing_required_parameter"),
        ({"model": 1}, "model", "invalid_type"),
        ({"input": None}, "input", "missing_required_parameter"),
        ({"input": {}}, "input", "invalid_type"),
        ({"input": []}, "input", "invalid_value"),
        ({"input": ["Hello"]}, "input[0]", "invalid_type"),
        ({"input": [{}]}, "input[0].type", "missing_required_parameter"),
        ({"input": [{"role": "tool", "content": ""}]}, "input[0].role", "invalid_value"),
        ({"input": [{"role": "user"}]}, "input[0].content", "missing_required_parameter"),
        ({"input": [{"role": "user", "content": 1}]}, "input[0].content", "invalid_type"),
        ({"input": [OUTPUT]}, "input[0].call_id", "invalid_value"),
        ({"input": [CALL]}, "input", "invalid_value"),
        ({"temperature": "hot"}, "temperature", "invalid_type"),
        ({"temperature": True}, "temperature", "invalid_type"),
        ({"max_output_tokens": 0}, "max_output_tokens", "invalid_value"),
        ({"max_output_tokens": 1.5}, "max_output_tokens", "invalid_type"),
        ({"stream": "yes"}, "stream", "invalid_type"),
        ({"tools": {}}, "tools", "invalid_type"),
        ({"tools": [{"type": "function"}]}, "tools[0].name", "missing_required_parameter"),
        ({"tools": [TOOL], "tool_choice": "any"}, "tool_choice", "invalid_value"),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "name": "x"}},
            "tool_choice.name",
            "invalid_value",
        ),
        ({"include": [1]}, "include[0]", "invalid_type"),
        ({"metadata": []}, "metadata", "invalid_type"),
        ({"previous_response_id": "resp_2"}, "previous_response_id", "not_found"),
    ],
)
def test_what_is_wrong_is_named_by_its_path(body: dict[str, Any], param: str, code: str) -> None:
    assert refusal_of(**body) == (param, code)


def test_an_unknown_reference_is_named() -> None:
    assert refusal_of(input=[{"type": "item_reference", "id": "x"}]) == ("input[0].id", "not_found")


def test_calls_of_one_answer_are_one_message_with_its_answers_behind_it() -> None:
    second = {**CALL, "call_id": "c2"}
    assert messages_of(
        USER,
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "!"}]},
        CALL,
        second,
        {**OUTPUT, "call_id": "c2", "output": "Sun."},
        {"role": "developer", "content": "Go on."},
        OUTPUT,
    ) == [
        USER,
        {
            "role": "assistant",
            "content": "!",
            "tool_calls": [
                {"id": i, "type": "function", "function": {"name": "weather", "arguments": "{}"}}
                for i in ("c1", "c2")
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "Rain."},
        {"role": "tool", "tool_call_id": "c2", "content": "Sun."},
        {"role": "developer", "content": "Go on."},
    ]


def test_ids_of_calls_may_come_again_in_the_next_answer() -> None:
    messages = messages_of(USER, CALL, OUTPUT, CALL, {**OUTPUT, "output": "Sun."})
    assert [message.get("content") for message in messages] == [
        "Hello",
        None,
        "Rain.",
        None,
        "Sun.",
    ]


def test_two_calls_with_one_id_and_one_answer_are_refused() -> None:
    assert refusal_of(input=[USER, CALL, CALL, OUTPUT]) == ("input", "invalid_value")


def test_pictures_and_files_are_parts() -> None:
    image = {"type": "input_image", "image_url": PIXEL, "detail": "low"}
    file = {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,"}
    text = {"type": "input_text", "text": "What is it?"}
    assert messages_of({"role": "user", "content": [text, image, file]})[0]["content"] == [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
        {"type": "file", "file": {"file_data": file["file_data"], "filename": "a.pdf"}},
    ]
    assert messages_of({"role": "user", "content": [text, text]})[0]["content"] == (
        "What is it?\nWhat is it?"
    )


def test_pictures_of_the_web_are_a_setting() -> None:
    content = [{"type": "input_image", "image_url": "https://example.com/a.png"}]
    item = {"role": "user", "content": content}
    assert refusal_of(input=[item])[0] == "input[0].content[0].image_url"
    assert messages_of(item, remote_images=True)
    item["content"] = [{"type": "input_image", "image_url": "file:///etc/passwd"}]
    assert refusal_of(input=[item], remote_images=True)[0] == "input[0].content[0].image_url"


def test_a_picture_that_a_tool_answers_with_is_shown_by_the_user() -> None:
    shown = [{"type": "input_image", "image_url": PIXEL}]
    assert messages_of(USER, CALL, {**OUTPUT, "output": shown})[2:] == [
        {"role": "tool", "tool_call_id": "c1", "content": "(see the next message)"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": PIXEL}}]},
    ]


def thought(name: str = "reasoning_content", model: str = "m") -> Item:
    return {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "Hm."}],
        "encrypted_content": reasoning_mark(name, model),
    }


def test_reasoning_goes_back_to_its_model_within_the_same_turn() -> None:
    message = messages_of(USER, thought(), CALL, OUTPUT)[1]
    assert message["reasoning_content"] == "Hm."
    assert messages_of(USER, thought("reasoning"), CALL, OUTPUT)[1]["reasoning"] == "Hm."


@pytest.mark.parametrize(
    "items",
    [
        [USER, thought(model="another"), CALL, OUTPUT],
        [USER, thought(name="content"), CALL, OUTPUT],
        [USER, {**thought(), "encrypted_content": "gAAAAABo"}, CALL, OUTPUT],
        [USER, thought(), CALL, OUTPUT, USER],
    ],
    ids=["another model", "another member", "not ours", "an earlier turn"],
)
def test_other_reasoning_is_left_out(items: list[Item]) -> None:
    assert "Hm." not in str(messages_of(*items))


def test_references_and_earlier_responses_are_read_from_what_is_kept() -> None:
    kept = Memory({"fc_1": CALL})
    referred = messages_of(USER, {"type": "item_reference", "id": "fc_1"}, OUTPUT, kept=kept)
    assert referred == messages_of(USER, CALL, OUTPUT)
    assert messages_of(USER, {"id": "fc_1"}, OUTPUT, kept=kept) == referred
    kept = Memory({"msg_1": USER, "fc_1": CALL})
    following = messages_of(OUTPUT, kept=kept, previous_response_id="resp_1")
    assert following == referred


def test_tools_in_a_namespace_have_one_name() -> None:
    """As Codex offers them."""
    tools = [{"type": "namespace", "name": "agents", "tools": [TOOL]}]
    call = {**CALL, "namespace": "agents"}
    incoming = read(tools=tools, input=[USER, call, OUTPUT])
    assert incoming.chat["tools"][0]["function"]["name"] == "agents__weather"
    assert incoming.tools["agents__weather"][:2] == ("weather", "agents")
    [called] = incoming.chat["messages"][1]["tool_calls"]
    assert called["function"]["name"] == "agents__weather"


def test_a_long_name_in_a_namespace_fits_and_is_the_same_each_time() -> None:
    names = set()
    for ending in "ab":
        tool = {**TOOL, "name": "n" * 60 + ending}
        [offered] = read(tools=[{"type": "namespace", "name": "space", "tools": [tool]}]).tools
        assert len(offered) == 64
        names.add(offered)
    assert len(names) == 2


def test_a_custom_tool_is_a_function_of_one_text() -> None:
    custom = {
        "type": "custom",
        "name": "patch",
        "description": "Patches.",
        "format": {"type": "grammar", "syntax": "lark", "definition": "start: /a/"},
    }
    call = {"type": "custom_tool_call", "call_id": "c1", "name": "patch", "input": 'a"b'}
    output = {**OUTPUT, "type": "custom_tool_call_output"}
    incoming = read(tools=[custom], input=[USER, call, output])
    [tool] = incoming.chat["tools"]
    assert "start: /a/" in tool["function"]["description"]
    assert incoming.tools["patch"].is_custom
    [called] = incoming.chat["messages"][1]["tool_calls"]
    assert called["function"]["arguments"] == '{"input": "a\\"b"}'


def test_allowed_tools_leave_the_others_out() -> None:
    choice = {
        "type": "allowed_tools",
        "mode": "required",
        "tools": [{"type": "function", "name": "weather"}],
    }
    chat = read(tools=[TOOL, {**TOOL, "name": "news"}], tool_choice=choice).chat
    assert [tool["function"]["name"] for tool in chat["tools"]] == ["weather"]
    assert chat["tool_choice"] == "required"
