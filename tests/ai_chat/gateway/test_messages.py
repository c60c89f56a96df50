"""POST /v1/messages: Anthropic's format, passed through to a provider that speaks it."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from ai_chat.models import ApiCall
from credits.models import Provider, User
from credits.models.limits import Limit
from tests.ai_chat.gateway.client import ApiProgram, assert_paid_exactly, latest_call
from tests.ai_chat.tokens import price_by_tokens
from tests.ai_chat.turns import MODEL, text_model
from tests.fakes.scripted import Act, Pieces, ScriptedProvider
from tests.live import Site

START = {
    "type": "message_start",
    "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-own-name",
        "content": [], "stop_reason": None, "stop_sequence": None,
        "usage": {"input_tokens": 30, "cache_read_input_tokens": 10,
                  "cache_creation_input_tokens": 5, "output_tokens": 1},
    },
}  # fmt: skip
STOP = {"type": "message_stop"}


def block(index: int, kind: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of one block of content."""
    return [
        {"type": "content_block_start", "index": index, "content_block": kind},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def says(*words: str) -> list[dict[str, Any]]:
    deltas = [{"type": "text_delta", "text": word} for word in words]
    return block(0, {"type": "text", "text": ""}, *deltas)


def end(reason: str = "end_turn", output: int = 12) -> dict[str, Any]:
    delta = {"stop_reason": reason, "stop_sequence": None}
    return {"type": "message_delta", "delta": delta, "usage": {"output_tokens": output}}


def stream(*events: dict[str, Any]) -> bytes:
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (event["type"].encode(), json.dumps(event).encode())
        for event in events
    )


ANSWER = stream(START, {"type": "ping"}, *says("Hello ", "there"), end(), STOP)
TOOL = stream(
    START,
    *block(0, {"type": "thinking", "thinking": "", "signature": ""},
           {"type": "thinking_delta", "thinking": "Look"},
           {"type": "signature_delta", "signature": "c2ln"}),
    *block(1, {"type": "tool_use", "id": "toolu_1", "name": "read", "input": {}},
           {"type": "input_json_delta", "partial_json": '{"path": '},
           {"type": "input_json_delta", "partial_json": '"a.txt"}'}),
    end("tool_use"),
    STOP,
)  # fmt: skip


@pytest.fixture
def scripted(wire: ScriptedProvider) -> ScriptedProvider:
    wire.answer = ANSWER
    wire.headers = {"Content-Type": "text/event-stream"}
    return wire


@pytest.fixture
def program(keep_site: Callable[..., Site], scripted: ScriptedProvider, alice: User) -> ApiProgram:
    site = keep_site(OPENAI_BASE_URL=scripted.base_url, OPENAI_API_KEY="sk-ant-secret")
    price_by_tokens(reads_images=True)
    Provider.objects.update(dialect=Provider.Dialect.ANTHROPIC)
    return ApiProgram(site, alice)


def body(**more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": "Hello"}]
    return {"model": MODEL, "max_tokens": 500, "messages": messages, **more}


def ask(program: ApiProgram, **more: Any) -> httpx.Response:
    headers = {"Authorization": "", "x-api-key": program.secret, "anthropic-beta": "files-1"}
    return program.http.post("/messages?beta=true", json=body(**more), headers=headers)


def test_roles_that_a_beta_adds_are_passed_on(
    program: ApiProgram, scripted: ScriptedProvider
) -> None:
    messages = [{"role": "user", "content": "Hi"}, {"role": "system", "content": "Be brief."}]
    assert ask(program, messages=messages).status_code == 200
    assert scripted.calls[0]["messages"] == messages


def events_of(answer: httpx.Response) -> list[dict[str, Any]]:
    """The data of the events; each event is named as its data's type."""
    found = []
    for lines in answer.text.strip().split("\n\n"):
        name, _, data = lines.partition("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        found.append(event)
    return found


def test_a_whole_message_costs_what_it_used(
    program: ApiProgram, scripted: ScriptedProvider
) -> None:
    answer = ask(program)
    assert answer.status_code == 200, answer.text
    message = answer.json()
    assert message["content"] == [{"type": "text", "text": "Hello there"}]
    assert (message["model"], message["stop_reason"]) == (MODEL, "end_turn")
    assert message["usage"]["output_tokens"] == 12
    use = latest_call(program.user).use
    assert use
    assert (use.input, use.cached, use.cache_write, use.output) == (45, 10, 5, 12)
    assert_paid_exactly(program.user)
    (sent,) = scripted.calls
    assert sent["stream"] is True
    assert sent["max_tokens"] == 500


def test_a_stream_is_passed_on_event_by_event(program: ApiProgram) -> None:
    events = events_of(ask(program, stream=True))
    assert [event["type"] for event in events] == [
        "message_start", "ping", "content_block_start", "content_block_delta",
        "content_block_delta", "content_block_stop", "message_delta", "message_stop",
    ]  # fmt: skip
    assert events[0]["message"]["model"] == MODEL
    assert_paid_exactly(program.user)


def test_a_tool_is_asked_for(program: ApiProgram, scripted: ScriptedProvider) -> None:
    scripted.answer = TOOL
    message = ask(program, tools=[{"name": "read", "input_schema": {"type": "object"}}]).json()
    thought, call = message["content"]
    assert (thought["thinking"], thought["signature"]) == ("Look", "c2ln")
    assert (call["name"], call["input"]) == ("read", {"path": "a.txt"})
    assert latest_call(program.user).state == ApiCall.State.DONE
    assert_paid_exactly(program.user)


@pytest.mark.parametrize("stream_asked", [True, False])
def test_a_refusal_is_passed_on_and_free(
    program: ApiProgram, scripted: ScriptedProvider, stream_asked: bool
) -> None:
    scripted.answer = stream(START, *says("I will"), end("refusal"), STOP)
    answer = ask(program, stream=stream_asked)
    assert answer.status_code == 200
    assert '"refusal"' in answer.text
    assert latest_call(program.user).charged == 0
    assert_paid_exactly(program.user)


def test_an_answer_that_breaks_off_ends_with_an_error_event(
    program: ApiProgram, scripted: ScriptedProvider
) -> None:
    scripted.answer = Pieces([stream(START, *says("Hello")), Act.CLOSE])
    *_, last = events_of(ask(program, stream=True))
    assert last["type"] == "error"
    assert last["error"]["type"] == "api_error"
    assert last["request_id"] == latest_call(program.user).request_id
    assert latest_call(program.user).charged == 0
    assert_paid_exactly(program.user)


def test_an_overloaded_provider_is_an_error_of_anthropics(
    program: ApiProgram, scripted: ScriptedProvider
) -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "sk-ant-secret"}}
    scripted.status, scripted.answer = 529, error
    answer = ask(program)
    assert answer.status_code == 529
    told = answer.json()
    assert (told["type"], told["error"]["type"]) == ("error", "overloaded_error")
    assert "sk-ant-secret" not in answer.text
    assert answer.headers["request-id"] == told["request_id"]
    assert_paid_exactly(program.user)


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0].type"),
        ({"service_tier": "priority"}, "service_tier"),
        (
            {"system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral",
                                                                       "ttl": "1h"}}]},
            "cache_control.ttl",
        ),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [{"content": "x"}]}, "messages[0]"),
    ],
)  # fmt: skip
def test_what_has_no_price_is_refused(
    program: ApiProgram, scripted: ScriptedProvider, more: dict[str, Any], param: str
) -> None:
    answer = ask(program, **more)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert param.split("[", maxsplit=1)[0] in answer.text
    assert scripted.calls == []
    assert not ApiCall.objects.exists()


def test_a_picture_and_thinking_are_bounded(
    program: ApiProgram, scripted: ScriptedProvider
) -> None:
    picture = {"type": "base64", "media_type": "image/png", "data": "aGVsbG8=" * 1000}
    content = [{"type": "image", "source": picture}, {"type": "text", "text": "What is it?"}]
    thinking = {"type": "enabled", "budget_tokens": 400}
    messages = [{"role": "user", "content": content}]
    answer = ask(program, messages=messages, thinking=thinking)
    assert answer.status_code == 200, answer.text
    assert scripted.calls[0]["messages"] == messages
    charge = latest_call(program.user).charge
    assert charge.credits_used < 5


def test_a_model_of_another_format_says_so(program: ApiProgram) -> None:
    Provider.objects.update(dialect=Provider.Dialect.COMPATIBLE)
    answer = ask(program)
    assert answer.status_code == 400
    assert "/v1/chat/completions" in answer.json()["error"]["message"]


def test_what_is_granted_is_the_providers_limit(
    program: ApiProgram, scripted: ScriptedProvider
) -> None:
    text_model(output_least=10)
    Limit.objects.create(
        account_id=program.user.pk, period="day", credits=1, since="2020-01-01", hard=True
    )
    answer = ask(program, max_tokens=800)
    assert answer.status_code == 200, answer.text
    granted = int(answer.headers["X-Tally-Max-Output"])
    assert scripted.calls[0]["max_tokens"] == granted < 800
    assert answer.headers["X-Tally-Limited-By"].startswith("limit:")
    assert_paid_exactly(program.user)
