"""The events of a response: legal whatever comes, accepted by OpenAI's own SDK, and the same as the
whole response."""

from typing import Any, cast
from uuid import uuid4

import httpx2
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai._models import construct_type_unchecked
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from ai_chat.gateway.reading import ChunkReader
from ai_chat.gateway.responses.events import ResponseEvents
from ai_chat.gateway.responses.fields import Fields
from ai_chat.gateway.responses.items import Reading, read_items
from ai_chat.gateway.responses.tools import Tool
from ai_chat.providers.errors import ProviderError
from ai_chat.providers.pieces import Chunk, End, Finish, Piece, Reasoning, Text, ToolCall, Usage
from ai_chat.providers.reading import REASONING, read_answer
from tests.ai_chat.gateway.responses.legal import assert_legal, events_in
from tests.ai_chat.providers.streams import Stream, load_streams
from tests.strength import usually

STREAMS = load_streams()
RESPONSE = TypeAdapter(Response)
REPEATED = {"model": "m", "tools": [], "tool_choice": "auto", "parallel_tool_calls": True}
TOOLS = {"space__go": Tool("go", "space"), "patch": Tool("patch", is_custom=True)}


def events_of(*chunks: Any, finish: str = "stop", failed: bool = False) -> list[Any]:
    """The events of an answer, and the same answer whole: both must agree."""
    streamed = ResponseEvents(uuid4().hex, REPEATED, TOOLS, store=False)
    whole = ResponseEvents(uuid4().hex, REPEATED, TOOLS, store=False, streamed=False)
    body = streamed.begin()
    for chunk in chunks:
        body += streamed.add(chunk)
        assert whole.add(chunk) == b""
    for response in (streamed, whole):
        body += response.fail("server_error", "No.") if failed else response.end(finish)
    # What comes after the end is not told.
    for more in (delta(content="late"), delta(finish="stop")):
        assert streamed.add(more) == b""
    assert streamed.end("length") + streamed.fail("x", "y") + streamed.begin() == b""
    events = events_in(body)
    assert streamed.whole() == events[-1]["response"]
    assert _without_ids(whole.whole()) == _without_ids(streamed.whole())
    return events


def _without_ids(response: Any) -> Any:
    key = response["id"].removeprefix("resp_")
    text = repr({**response, "created_at": 0})
    return text.replace(key, "")


def delta(finish: str | None = None, **members: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": members, "finish_reason": finish}
    return {"id": "x", "object": "chat.completion.chunk", "choices": [choice]}


def call(index: int, arguments: str = "", call_id: str = "", name: str = "") -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return delta(tool_calls=[{"index": index, "id": call_id, "function": function}])


def kinds_of(events: list[Any]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def output_of(events: list[Any]) -> list[Any]:
    return list(events[-1]["response"]["output"])


TEXT = st.sampled_from(["Hello", " ", "\n", "é", "\0", "\ud83d", "\ude00", '"}', ""]) | st.text()
CALLS = st.builds(
    lambda index, call_id, name, arguments: {
        "index": index,
        "id": call_id,
        "function": {"name": name, "arguments": arguments},
    },
    st.integers(0, 2),
    st.sampled_from(["c1", "c2", "", None]),
    st.sampled_from(["go", "space__go", "patch", "", None]),
    TEXT | st.sampled_from(['{"input":', '"x"}', '{"input": "x"}']),
)
DELTAS = st.fixed_dictionaries(
    {},
    optional={
        "role": st.just("assistant"),
        "content": TEXT | st.none(),
        "reasoning_content": TEXT,
        "reasoning": TEXT | st.none(),
        "refusal": TEXT | st.none(),
        "tool_calls": st.lists(CALLS, max_size=3),
    },
)
USAGES = st.none() | st.just({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5})
CHUNKS = st.lists(
    st.builds(
        lambda delta, index, finish, usage, empty: {
            "choices": [] if empty else [{"index": index, "delta": delta, "finish_reason": finish}],
            "usage": usage,
        },
        DELTAS,
        st.sampled_from([0, 0, 0, 1]),
        st.sampled_from([None, None, None, "stop", "length", "tool_calls", "content_filter"]),
        USAGES,
        st.sampled_from([False, False, False, True]),
    ),
    max_size=12,
)


@settings(deadline=None, max_examples=usually(200, full=5_000))
@given(
    chunks=CHUNKS,
    finish=st.sampled_from(["", "stop", "length", "tool_calls", "content_filter"]),
    failed=st.booleans(),
)
def test_whatever_comes_the_events_are_legal(chunks: Any, finish: str, failed: bool) -> None:
    events = events_of(*chunks, finish=finish, failed=failed)
    assert_legal(events)
    accepted_by_the_sdk(events)


def accepted_by_the_sdk(events: list[Any]) -> None:
    """That its accumulator takes each event, and has the response at the end."""
    state: Any = ResponseStreamState(input_tools=openai.omit, text_format=openai.omit)
    for event in events:
        state.handle_event(
            construct_type_unchecked(value=event, type_=cast(Any, ResponseStreamEvent))
        )
    final = events[-1]
    RESPONSE.validate_python(final["response"])
    if final["type"] == "response.completed":
        told = state._completed_response.to_dict(mode="json")
        assert len(told["output"]) == len(final["response"]["output"])
    for position, item in state._output_items.items():
        kept = final["response"]["output"][position]
        if item.type == "function_call":
            assert item.arguments == kept["arguments"]
        elif item.type == "message":
            texts = [part.text for part in item.content if part.type == "output_text"]
            assert texts == [p["text"] for p in kept["content"] if p["type"] == "output_text"]


def chunk_of(piece: Piece) -> dict[str, Any]:
    """A piece of the provider's answer in the format of OpenAI's chunks."""
    match piece:
        case Text(text):
            return delta(content=text)
        case Reasoning(text):
            return delta(reasoning_content=text)
        case ToolCall(position, call_id, name, arguments):
            return call(position, arguments, call_id, name)
        case End(finish):
            return delta(finish=finish)
        case _:
            return delta()


each_stream = pytest.mark.parametrize("stream", STREAMS, ids=[s.name for s in STREAMS])


def read_by_the_sdk(response: ResponseEvents, body: bytes) -> Any:
    """The response in the last event of a stream, as OpenAI's SDK reads it."""
    assert_legal(events_in(body))

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=body, headers={"Content-Type": "text/event-stream"})

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    with (
        openai.OpenAI(base_url="http://tally/v1", api_key="key", http_client=http) as client,
        client.responses.stream(model="m", input="Hello") as events,
    ):
        last: Any = list(events)[-1]
    assert last.type == f"response.{response.whole()['status']}"
    return last.response


@each_stream
def test_the_sdk_reads_what_any_provider_streams(stream: Stream) -> None:
    response = ResponseEvents(uuid4().hex, REPEATED, {}, store=False)
    body, usage = response.begin(), None
    try:
        for piece in read_answer([stream.body], tools_offered=stream.tools_offered):
            usage = piece if isinstance(piece, Usage) else usage
            body += response.add(chunk_of(piece))
    except ProviderError:
        body += response.fail("server_error", "The provider failed.")
    else:
        body += response.end(usage=usage)
    told, expected = read_by_the_sdk(response, body), stream.expected
    assert told.output_text == expected.text
    thoughts = [item.summary[0].text for item in told.output if item.type == "reasoning"]
    assert "".join(thoughts) == expected.reasoning
    calls = [item for item in told.output if item.type == "function_call"]
    assert [(c.name, c.arguments) for c in calls] == [
        (c.name, c.arguments) for c in expected.tool_calls
    ]
    if isinstance(expected.ending, Finish):
        is_cut = expected.ending == Finish.LENGTH
        assert told.status == ("incomplete" if is_cut else "completed")
        assert (told.usage is None) == (expected.usage is None)
    else:
        assert told.error.code == "server_error"


@each_stream
def test_chunks_as_they_are_passed_on_are_told_whole(stream: Stream) -> None:
    response = ResponseEvents(uuid4().hex, REPEATED, {}, store=False)
    reader = ChunkReader()
    body, said, asked, has_thought = response.begin(), "", 0, False
    try:
        for piece in reader.read([stream.body]):
            if isinstance(piece, Chunk):
                body += response.add(piece.data)
                for choice in piece.data["choices"]:
                    said += choice["delta"].get("content") or ""
                    has_thought |= any(choice["delta"].get(name) for name in REASONING)
                    asked += sum("id" in call for call in choice["delta"].get("tool_calls") or ())
    except ProviderError:
        body += response.fail("server_error", "The provider failed.")
    else:
        body += response.end(reader.finishes[0])
    told = read_by_the_sdk(response, body)
    assert told.output_text == said.replace("\0", "")
    assert sum(item.type == "function_call" for item in told.output) == asked
    assert any(item.type == "reasoning" for item in told.output) == has_thought


def test_a_text_is_told_as_openai_tells_it() -> None:
    events = events_of(
        delta(role="assistant", content=""), delta(content="Hel"), delta(content="lo")
    )
    assert kinds_of(events) == [
        *("created", "in_progress", "output_item.added", "content_part.added"),
        *("output_text.delta", "output_text.delta", "output_text.done"),
        *("content_part.done", "output_item.done", "completed"),
    ]
    part = {"type": "output_text", "text": "Hello", "annotations": [], "logprobs": []}
    [message] = output_of(events)
    assert message == {
        "type": "message",
        "id": message["id"],
        "role": "assistant",
        "status": "completed",
        "content": [part],
    }


def test_reasoning_text_and_calls_are_items_in_their_order() -> None:
    events = events_of(
        delta(reasoning_content="Hm"),
        delta(content="I look."),
        call(0, '{"a', "c1", "go"),
        call(1, "{}", "c2", "go"),
        call(0, '":1}'),
        delta(content="Wait."),
        delta(finish="tool_calls"),
        finish="",
    )
    output = output_of(events)
    assert [item["type"] for item in output] == [
        *("reasoning", "message", "function_call", "function_call", "message")
    ]
    assert output[0]["encrypted_content"] == "tally:reasoning_content:m"
    assert [item["arguments"] for item in output[2:4]] == ['{"a":1}', "{}"]
    assert [item["call_id"] for item in output[2:4]] == ["c1", "c2"]


def test_the_same_id_of_two_calls_is_replaced() -> None:
    output = output_of(events_of(call(0, "{}", "c1", "go"), call(1, "{}", "c1", "go")))
    assert output[0]["call_id"] == "c1"
    assert output[1]["call_id"] not in {"c1", ""}


def test_half_a_character_is_joined_or_replaced() -> None:
    [message] = output_of(events_of(delta(content="a\ud83d"), delta(content="\ude00\0\ud83d")))
    assert message["content"][0]["text"] == "a\N{GRINNING FACE}\N{REPLACEMENT CHARACTER}"
    [thought] = output_of(events_of(delta(reasoning="\ud83d")))
    assert thought["summary"][0]["text"] == "\N{REPLACEMENT CHARACTER}"


def test_a_call_without_a_name_waits_for_it() -> None:
    output = output_of(events_of(call(0, '{"a"', "c1"), call(0, ":1}", name="go"), call(1, "{}")))
    assert [(item["name"], item["arguments"]) for item in output] == [("go", '{"a":1}')]


def test_what_a_provider_wants_back_with_a_call_is_in_its_item() -> None:
    chunk = call(0, "{}", "c1", "go")
    extra = {"google": {"thought_signature": "abc"}}
    chunk["choices"][0]["delta"]["tool_calls"][0]["extra_content"] = extra
    [item] = output_of(events_of(chunk))
    assert item["extra_content"] == extra
    message = {"role": "user", "content": "Hi"}
    output = {"type": "function_call_output", "call_id": "c1", "output": ""}
    items = [Fields(each) for each in (message, item, output)]
    [called] = read_items(items, Reading("m", remote_images=False))[1]["tool_calls"]
    assert called["extra_content"] == extra


def test_tools_are_called_by_their_own_names() -> None:
    arguments = '{"input": "a\\nb"}'
    events = events_of(call(0, "{}", "c1", "space__go"), call(1, arguments, "c2", "patch"))
    spaced, custom = output_of(events)
    assert (spaced["name"], spaced["namespace"]) == ("go", "space")
    assert (custom["type"], custom["input"]) == ("custom_tool_call", "a\nb")
    assert "custom_tool_call_input.delta" in kinds_of(events)


@pytest.mark.parametrize(
    ("finish", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter")]
)
def test_an_answer_that_was_cut_is_incomplete(finish: str, reason: str) -> None:
    events = events_of(call(0, "{}", "c1", "go"), call(1, '{"a', "c2", "go"), finish=finish)
    assert kinds_of(events)[-1] == "incomplete"
    assert events[-1]["response"]["incomplete_details"] == {"reason": reason}
    assert [item["status"] for item in output_of(events)] == ["completed", "incomplete"]


def test_a_custom_call_that_was_cut_is_not_done() -> None:
    events = events_of(call(0, '{"input": "rm ', "c1", "patch"), finish="length")
    assert "output_item.done" not in kinds_of(events)
    assert output_of(events)[0]["status"] == "incomplete"


def test_what_broke_off_has_its_error_and_no_item_is_done_that_was_not() -> None:
    events = events_of(delta(reasoning="Hm"), delta(content="Hel"), failed=True)
    assert kinds_of(events)[-2:] == ["output_text.delta", "failed"]
    assert events[-1]["response"]["error"] == {"code": "server_error", "message": "No."}
    assert output_of(events)[1]["content"][0]["text"] == "Hel"


def test_a_refusal_is_a_part_of_its_own() -> None:
    events = events_of(delta(content="Well"), delta(refusal="I ca"), delta(refusal="n't."))
    [message] = output_of(events)
    assert [part["type"] for part in message["content"]] == ["output_text", "refusal"]
    assert message["content"][1]["refusal"] == "I can't."
    assert "refusal.done" in kinds_of(events)


def test_usage_has_the_names_of_responses() -> None:
    counts = {
        "prompt_tokens": 10,
        "completion_tokens": 7,
        "total_tokens": 17,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    events = events_of(delta(content="Hi"), {"choices": [], "usage": counts})
    assert events[-1]["response"]["usage"] == {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 17,
    }
    response = ResponseEvents(uuid4().hex, REPEATED, {}, store=False)
    response.end("stop", Usage(input=2, output=1))
    assert response.whole()["usage"]["total_tokens"] == 3


def test_probabilities_come_with_their_text() -> None:
    told = {"token": "Hi", "logprob": -0.1, "bytes": [72, 105], "top_logprobs": []}
    other = {**told, "logprob": float("-inf"), "top_logprobs": [told]}
    chunk = delta(content="Hi")
    chunk["choices"][0]["logprobs"] = {"content": [told, other]}
    events = events_of(chunk)
    expected = [told, {**other, "logprob": -9999.0}]
    expected[1]["top_logprobs"] = [{name: told[name] for name in ("token", "logprob", "bytes")}]
    assert events[4]["logprobs"] == expected
    assert output_of(events)[0]["content"][0]["logprobs"] == expected
