"""Any JSON as a body of POST /v1/responses: read, or refused by the path of what is wrong."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ai_chat.gateway.errors import ApiError
from ai_chat.gateway.responses.incoming import read_request
from tests.ai_chat.gateway.responses.memory import CALL, Memory
from tests.strength import usually

# Members of the right names with values of any kind, nested as items are.
NAMES = st.sampled_from(
    [
        *("model", "input", "instructions", "tools", "tool_choice", "text", "reasoning", "include"),
        *("max_output_tokens", "store", "stream", "metadata", "previous_response_id", "namespace"),
        *("top_logprobs", "type", "role", "content", "image_url", "id", "file_data", "call_id"),
        *("name", "arguments", "output", "parameters", "format", "schema", "effort", "summary"),
        *("mode", "encrypted_content", "background", "truncation", "stream_options", "unknown"),
    ]
)
WORDS = st.sampled_from(
    [
        *("message", "function_call", "function_call_output", "reasoning", "item_reference"),
        *("custom_tool_call", "user", "assistant", "system", "input_text", "input_image"),
        *("input_file", "output_text", "refusal", "function", "custom", "namespace"),
        *("allowed_tools", "json_schema", "text", "auto", "c1", "weather", "web_search"),
        "summary_text",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=usually(25, full=100),
)
ITEMS = st.lists(
    st.fixed_dictionaries(
        {"type": WORDS},
        optional={"role": WORDS, "content": VALUES, "call_id": WORDS, "name": WORDS, "id": WORDS}
        | {"arguments": WORDS, "output": VALUES, "summary": VALUES},
    )
    | VALUES,
    max_size=6,
)
BODIES = VALUES | st.fixed_dictionaries(
    {"model": WORDS, "input": ITEMS | VALUES},
    optional={"tools": VALUES | ITEMS, "tool_choice": VALUES, "text": VALUES, "reasoning": VALUES},
)


@settings(deadline=None, max_examples=usually(200, full=5_000))
@given(body=BODIES)
def test_any_json_is_read_or_refused_by_a_path(body: Any) -> None:
    try:
        incoming = read_request(body, Memory({"c1": CALL}))
    except ApiError as error:
        refused = error
    else:
        assert incoming.chat["messages"]
        assert_each_call_is_answered(incoming.chat["messages"])
        return
    assert refused.code
    assert refused.param or not isinstance(body, dict)


def assert_each_call_is_answered(messages: list[dict[str, Any]]) -> None:
    """Providers refuse a conversation in which anything else follows a call of tools."""
    called: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            called.remove(message["tool_call_id"])
        else:
            assert not called
            called = [call["id"] for call in message.get("tool_calls", ())]
    assert not called
