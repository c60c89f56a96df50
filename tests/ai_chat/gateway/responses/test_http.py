"""POST /v1/responses through OpenAI's SDK at a running site."""

import json
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from ai_chat.models import ApiCall, KeptResponse, ResponseItem
from credits.models import User
from tests.ai_chat.gateway.client import ApiProgram, assert_paid_exactly, latest_call
from tests.ai_chat.gateway.responses.legal import assert_legal, events_in
from tests.ai_chat.gateway.responses.script import called, said
from tests.ai_chat.turns import MODEL
from tests.factories import make_user
from tests.fakes.scripted import Pieces, ScriptedProvider

TOOL: Any = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": False,
}


def ask(program: ApiProgram, text: Any = "Say hello", **more: Any) -> Any:
    return program.sdk.responses.create(**{"model": MODEL, "input": text, **more})


def refused(program: ApiProgram, *arguments: Any, **more: Any) -> openai.APIStatusError:
    with pytest.raises(openai.APIStatusError) as caught:
        ask(program, *arguments, **more)
    return caught.value


def test_a_whole_response_costs_what_it_used(scripted: ApiProgram, wire: ScriptedProvider) -> None:
    wire.answer = said({"content": "Hello"}, {"content": " you"})
    raw = scripted.sdk.responses.with_raw_response.create(
        model=MODEL, input="Hi", instructions="Be kind.", max_output_tokens=100, temperature=0.5
    )
    response = raw.parse()
    assert response.output_text == "Hello you"
    assert response.status == "completed"
    assert response.model == MODEL
    call = latest_call(scripted.user)
    assert response.id == f"resp_{call.pk.hex}"
    assert call.endpoint == "responses"
    assert call.use
    assert response.usage
    assert response.usage.input_tokens == call.use.input == 20
    assert response.usage.output_tokens == call.use.output == 5
    assert raw.headers["X-Tally-Cost"] == response.usage.model_extra["cost"]
    sent = wire.calls[-1]
    assert sent["messages"][0] == {"role": "system", "content": "Be kind."}
    assert sent["temperature"] == 0.5
    assert 100 in {sent.get("max_tokens"), sent.get("max_completion_tokens")}
    assert_paid_exactly(scripted.user)


def test_a_stream_is_legal_and_ends_with_the_whole(
    scripted: ApiProgram, wire: ScriptedProvider
) -> None:
    wire.answer = said(
        {"reasoning_content": "Hm"}, {"content": "Hel"}, {"content": "lo"}, called("go", "{}")
    )
    body = {"model": MODEL, "input": "Hi", "stream": True, "tools": [{**TOOL, "name": "go"}]}
    with scripted.http.stream("POST", "/responses", json=body) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert answer.headers["X-Tally-Charge"]
        events = events_in(answer.read())
    assert_legal(events)
    kinds = [item["type"] for item in events[-1]["response"]["output"]]
    assert kinds == ["reasoning", "message", "function_call"]
    with scripted.sdk.responses.stream(model=MODEL, input="Hi") as stream:
        text = ""
        for event in stream:
            if event.type == "response.output_text.delta":
                text += event.delta
            elif event.type == "response.completed":
                # The next call may refer to it.
                assert KeptResponse.objects.filter(pk=event.response.id).exists()
        final = stream.get_final_response()
    assert final.output_text == text == "Hello"
    assert final.usage
    assert_paid_exactly(scripted.user)


class Weather(BaseModel):
    city: str
    degrees: int


def test_an_answer_of_a_schema_is_parsed(scripted: ApiProgram, wire: ScriptedProvider) -> None:
    wire.answer = said({"content": '{"city": "Bonn", '}, {"content": '"degrees": 7}'})
    response = scripted.sdk.responses.parse(model=MODEL, input="Bonn?", text_format=Weather)
    assert response.output_parsed == Weather(city="Bonn", degrees=7)
    schema = wire.calls[-1]["response_format"]
    assert schema["type"] == "json_schema"
    assert schema["json_schema"]["schema"]["required"] == ["city", "degrees"]


def test_tools_over_three_steps_by_references(scripted: ApiProgram, wire: ScriptedProvider) -> None:
    """As the AI SDK sends it: all again, its own items by their ids."""
    items: list[Any] = [{"role": "user", "content": [{"type": "input_text", "text": "Weather?"}]}]
    for step in range(2):
        thought = {"reasoning_content": f"Step {step}"}
        wire.answer = said(thought, called("weather", f'{{"city": "{step}"}}'), finish="tool_calls")
        response = ask(scripted, items, tools=[TOOL])
        call = response.output[-1]
        # This provider calls each "c1".
        assert call.call_id not in {item.get("call_id") for item in items}
        items += [{"type": "item_reference", "id": item.id} for item in response.output]
        items += [{"type": "function_call_output", "call_id": call.call_id, "output": f"{step} °"}]
    wire.answer = said({"content": "Fine."})
    final = ask(scripted, items, tools=[TOOL])
    assert final.output_text == "Fine."
    messages = wire.calls[-1]["messages"]
    assert [message["role"] for message in messages] == [
        *("user", "assistant", "tool", "assistant", "tool")
    ]
    assert [message["reasoning_content"] for message in messages[1::2]] == ["Step 0", "Step 1"]
    assert json.loads(messages[3]["tool_calls"][0]["function"]["arguments"]) == {"city": "1"}
    assert messages[4]["content"] == "1 °"
    # What came again is kept once: the question, two answers of the tool, two thoughts, two calls,
    # the answer, and what the three responses repeat of their requests.
    assert ResponseItem.objects.count() == 9
    assert KeptResponse.objects.count() == 3
    assert_paid_exactly(scripted.user)


def test_a_conversation_goes_on_from_its_last_response(
    scripted: ApiProgram, wire: ScriptedProvider
) -> None:
    wire.answer = said({"content": "One."})
    first = ask(scripted, "Count.", instructions="In words.")
    wire.answer = said({"content": "Two."})
    second = ask(scripted, "Go on.", previous_response_id=first.id)
    ask(scripted, "And on.", previous_response_id=second.id)
    contents = [message["content"] for message in wire.calls[-1]["messages"]]
    assert contents == ["Count.", "One.", "Go on.", "Two.", "And on."]


def test_codex_keeps_nothing_and_brings_all(scripted: ApiProgram, wire: ScriptedProvider) -> None:
    wire.answer = said({"reasoning": "Hm"}, called("agents__wait", "{}"), finish="tool_calls")
    more: Any = {
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "tools": [
            {"type": "namespace", "name": "agents", "tools": [{**TOOL, "name": "wait"}]},
            {"type": "web_search", "external_web_access": False},
        ],
        "extra_body": {"client_metadata": {"turn": "1"}},
    }
    raw = scripted.sdk.responses.with_raw_response.create(model=MODEL, input="Hi", **more)
    assert raw.headers["X-Tally-Ignored"] == "client_metadata, tools[1]"
    response = raw.parse()
    thought, call = response.output
    assert thought.encrypted_content
    assert (call.name, call.namespace) == ("wait", "agents")
    assert response.store is False
    wire.answer = said({"content": "Done."})
    items = [{"role": "user", "content": "Hi"}, *(item.to_dict() for item in response.output)]
    items.append({"type": "function_call_output", "call_id": call.call_id, "output": "ok"})
    assert ask(scripted, items, **more).output_text == "Done."
    assert wire.calls[-1]["messages"][1]["reasoning"] == "Hm"
    assert not KeptResponse.objects.exists()
    assert not ResponseItem.objects.exists()


@pytest.mark.parametrize("stream", [False, True])
def test_what_fails_before_the_answer_is_a_status(
    scripted: ApiProgram, wire: ScriptedProvider, stream: bool
) -> None:
    wire.status, wire.answer = 500, {"error": {"message": "No."}}
    error = refused(scripted, stream=stream)
    assert (error.status_code, error.code) == (502, "provider_error")
    assert latest_call(scripted.user).charged == 0
    assert_paid_exactly(scripted.user)


def test_what_breaks_off_ends_with_a_failed_response(
    scripted: ApiProgram, wire: ScriptedProvider
) -> None:
    wire.answer = said({"content": "Hel"}, finish=None)
    *_, last = ask(scripted, stream=True)
    assert last.type == "response.failed"
    assert last.response.error.code == "server_error"
    assert "Nothing was charged" in last.response.error.message
    assert latest_call(scripted.user).charged == 0
    assert not KeptResponse.objects.exists()
    assert refused(scripted).status_code == 502
    assert_paid_exactly(scripted.user)


@pytest.mark.parametrize(
    ("finish", "reason", "is_paid"),
    [("length", "max_output_tokens", True), ("content_filter", "content_filter", False)],
)
def test_an_answer_that_was_cut_is_incomplete(
    scripted: ApiProgram, wire: ScriptedProvider, finish: str, reason: str, is_paid: bool
) -> None:
    wire.answer = said({"content": "Hel"}, finish=finish)
    response = ask(scripted)
    assert response.status == "incomplete"
    assert response.incomplete_details.reason == reason
    assert bool(latest_call(scripted.user).charged) == is_paid
    assert_paid_exactly(scripted.user)


def test_a_client_that_leaves_ends_the_call(scripted: ApiProgram, wire: ScriptedProvider) -> None:
    wire.answer = Pieces([said({"content": "Hel"}, finish=None), 60.0])
    with ask(scripted, stream=True) as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                break
    scripted.wait_until_ended()
    assert latest_call(scripted.user).state == ApiCall.State.STOPPED
    assert not KeptResponse.objects.exists()
    assert_paid_exactly(scripted.user)


def test_what_is_refused_costs_nothing_and_is_named(
    scripted: ApiProgram, wire: ScriptedProvider
) -> None:
    error = refused(scripted, tools=[{"type": "file_search", "vector_store_ids": []}])
    assert (error.status_code, error.code, error.param) == (
        400,
        "unsupported_parameter",
        "tools[0].type",
    )
    error = refused(scripted, [{"role": "user", "content": 5}])
    assert (error.code, error.param) == ("invalid_type", "input[0].content")
    picture = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="}
    error = refused(scripted, [{"role": "user", "content": [picture]}])
    assert (error.status_code, error.param) == (400, "input")
    error = refused(scripted, model="nothing")
    assert (error.status_code, error.code) == (404, "model_not_found")
    assert not wire.calls
    assert not ApiCall.objects.exists()


def test_where_nothing_is_kept_a_reference_says_what_to_do(
    scripted: ApiProgram, wire: ScriptedProvider
) -> None:
    wire.answer = said({"content": "Hello"})
    User.objects.filter(pk=scripted.user.pk).update(keeps_answers=False)
    response = ask(scripted, store=True)
    assert response.store is False
    assert not KeptResponse.objects.exists()
    error = refused(scripted, [{"type": "item_reference", "id": response.output[0].id}])
    assert (error.status_code, error.param) == (400, "input[0].id")
    assert "store" in error.message
    error = refused(scripted, previous_response_id=response.id)
    assert (error.status_code, error.param) == (400, "previous_response_id")


def test_kept_responses_are_their_accounts_alone(
    scripted: ApiProgram, wire: ScriptedProvider
) -> None:
    wire.answer = said({"content": "Secret"})
    response = ask(scripted, "Tell me", metadata={"a": "b"})
    other = ApiProgram(scripted.site, make_user(credits=100))
    for call in (other.sdk.responses.retrieve, other.sdk.responses.delete):
        with pytest.raises(openai.NotFoundError):
            call(response.id)
    with pytest.raises(openai.NotFoundError):
        other.sdk.responses.input_items.list(response.id)
    error = refused(other, [{"type": "item_reference", "id": response.output[0].id}])
    assert (error.status_code, error.code) == (400, "item_not_found")
    error = refused(other, previous_response_id=response.id)
    assert (error.status_code, error.code) == (400, "previous_response_not_found")
    # A key of the same account finds it.
    again = ApiProgram(scripted.site, scripted.user).sdk.responses
    assert again.retrieve(response.id).to_dict() == response.to_dict()
    [item] = again.input_items.list(response.id)
    assert item.content == "Tell me"
    again.delete(response.id)
    with pytest.raises(openai.NotFoundError):
        again.retrieve(response.id)
    assert not ResponseItem.objects.exists()
