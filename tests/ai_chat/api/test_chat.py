"""POST /api/ai/chat over HTTP, against the fake provider: each row of the charge table."""

from contextlib import ExitStack
from typing import Any

import pytest
from django.test import Client, RequestFactory
from rest_framework.request import Request

from ai_chat.api.chat import wants_json
from ai_chat.api.ui_stream import UIMessageStream
from ai_chat.jobs.ending import Outcome, end_job
from ai_chat.models import Conversation, Preset, Turn
from credits.api.docs import openapi
from credits.models import UsageHistory, User
from credits.reasons import Reason
from tests.ai_chat.api.client import Program, parts_of, user_says
from tests.ai_chat.images.fake import FakePainter
from tests.ai_chat.turns import charge_turn
from tests.factories import set_price
from tests.fakes.provider import FakeProvider
from tests.waiting import wait_for


def kinds(parts: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(part["type"] for part in parts))


def text_of(parts: list[dict[str, Any]]) -> str:
    return "".join(part["delta"] for part in parts if part["type"] == "text-delta")


def test_a_whole_answer_is_streamed_and_charged(program: Program) -> None:
    response = program.chat("Hello")
    parts = parts_of(response)
    assert response.status_code == 200
    assert response.headers["x-vercel-ai-ui-message-stream"] == "v1"
    assert response.headers["Content-Type"].startswith("text/event-stream")
    assert response.headers["X-Credits-Charged"] == "1"
    assert response.headers["X-Credits-Remaining"] == "99"
    assert kinds(parts) == [
        "start", "start-step", "text-start", "text-delta", "text-end", "finish-step", "finish",
    ]  # fmt: skip
    turn = Turn.objects.get()
    assert text_of(parts) == turn.answer
    assert parts[0]["messageId"] == str(turn.pk)
    assert parts[-1]["messageMetadata"]["creditsRemaining"] == program.balance == 99
    assert parts[-1]["messageMetadata"]["receipt"]["usageId"] == turn.charge_id


def test_one_json_answer_for_those_who_ask_for_json(program: Program) -> None:
    response = program.ask("Hello")
    answer = response.json()
    assert response.status_code == 200
    assert answer["text"] == Turn.objects.get().answer
    assert answer["message"]["parts"] == [{"type": "text", "text": answer["text"]}]
    assert (answer["outcome"], answer["creditsCharged"]) == ("answered", 1)
    assert answer["creditsRemaining"] == program.balance == 99


FAILURES = [
    ("[[fail:500]]", 0, "provider_error"),
    ("[[fail:cut:3]]", 3, "provider_cut_off"),
    ("[[fail:garbage:2]]", 2, "provider_unreadable"),
    ("[[fail:refuse]]", 0, "provider_refused"),
    ("[[fail:empty]]", 0, "empty_answer"),
]


def test_a_failure_is_an_error_part_and_a_refund(
    program: Program, subtests: pytest.Subtests
) -> None:
    for marker, kept, reason in FAILURES:
        with subtests.test(marker):
            parts = parts_of(program.chat(f"Hello {marker}"))
            metadata, error = parts[-2:]
            assert (metadata["type"], error["type"]) == ("message-metadata", "error")
            assert metadata["messageMetadata"]["receipt"]["reason"] == reason
            assert metadata["messageMetadata"]["creditsCharged"] == 0
            assert error["errorText"].endswith("1 credit was refunded.")
            turn = Turn.objects.latest("created_at")
            assert len(text_of(parts).split()) == kept == len(turn.answer.split())
            assert program.balance == 100


def test_a_failure_is_502_for_those_who_ask_for_json(program: Program) -> None:
    response = program.ask("Hello [[fail:cut:3]]")
    problem = response.json()
    assert response.status_code == 502
    assert (problem["error"], problem["refunded"]) == ("provider_failed", 1)
    assert len(problem["text"].split()) == 3
    assert program.balance == 100


def token(content: str) -> str:
    """A chunk of an answer; `content` is JSON."""
    return f'data: {{"choices":[{{"delta":{{"content":{content}}}}}]}}\n\n'


END = 'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


def test_characters_that_no_database_takes_are_left_out_of_an_answer(
    odd_studio: Program, painter: FakePainter
) -> None:
    """A NUL and half of a surrogate pair: the answer could not be saved, and so never ended."""
    painter.answer = (token(r'"a\u0000b\ud800c \ud83d\ude00"') + END).encode()
    answer = odd_studio.ask("Hello")
    assert answer.status_code == 200, answer.json()
    assert (answer.json()["text"], answer.json()["outcome"]) == ("ab\ufffdc 😀", "answered")
    assert text_of(parts_of(odd_studio.chat("Hello"))) == "ab\ufffdc 😀"
    assert odd_studio.balance == 98


def test_an_answer_that_is_no_text_is_refunded(odd_studio: Program, painter: FakePainter) -> None:
    painter.answer = (token('{"a": 1}') + END).encode()
    answer = odd_studio.ask("Hello")
    assert (answer.status_code, answer.json()["reason"]) == (502, "provider_unreadable")
    assert odd_studio.balance == 100


@pytest.mark.django_db(transaction=True)
def test_an_ending_that_did_not_reach_the_database_is_no_answer(alice: User) -> None:
    """The text is gone and the hold is open: its lease will refund it."""
    turn = charge_turn(alice)
    parts = list(UIMessageStream(turn))
    assert b'"type": "error"' in parts[-2]
    assert b"finish" not in b"".join(parts)


@pytest.mark.django_db(transaction=True)
def test_an_answer_that_was_complete_before_its_stream_began_is_sent(alice: User) -> None:
    """A quick provider and a slow request: the run is over when the stream looks for it."""
    turn = charge_turn(alice)
    end_job(turn, Outcome(Turn.State.ANSWERED), lambda _lost: {"answer": "All of it."})
    assert turn.is_running, "The request knows the turn as it was charged."
    parts = b"".join(UIMessageStream(turn))
    assert b'"delta": "All of it."' in parts
    assert b'"type": "finish"' in parts


def test_what_a_failure_says_is_described(program: Program) -> None:
    for response in (program.ask("Hello [[fail:500]]"), program.paint("Tree [[fail:500]]")):
        call = openapi()["paths"][response.request.url.path]["post"]
        shape = call["responses"]["502"]["content"]["application/json"]["schema"]["$ref"]
        described = openapi()["components"]["schemas"][shape.rsplit("/", 1)[1]]
        assert set(described["required"]) <= set(response.json()) <= set(described["properties"])


def test_too_few_credits_is_402_and_the_provider_is_not_called(
    program: Program, provider: FakeProvider
) -> None:
    set_price("ai_text_chat", 101)
    response = program.chat("Hello")
    assert response.status_code == 402
    problem = response.json()
    assert problem["error"] == "insufficient_credits"
    assert (problem["required"], problem["available"]) == (101, 100)
    assert provider.completions_started == 0


def test_closing_the_stream_after_text_stops_the_answer_and_is_charged(
    program: Program, provider: FakeProvider
) -> None:
    with program.streaming("[[tokens:400]] [[delay:0.02]]") as response:
        for line in response.iter_lines():
            if "text-delta" in line:
                break
    wait_for(lambda: not Turn.objects.get().is_running, "the turn to be stopped")
    turn = Turn.objects.get()
    assert turn.state == Turn.State.STOPPED
    assert 0 < len(turn.answer.split()) < 400
    assert program.balance == 99
    wait_for(lambda: provider.open_completions == 0, "the provider to be released")


def test_closing_the_stream_before_the_first_token_is_refunded(program: Program) -> None:
    with program.streaming("[[fail:slow:60]]") as response:
        lines = response.iter_lines()
        next(lines)
    wait_for(lambda: not Turn.objects.get().is_running, "the turn to be stopped")
    turn = Turn.objects.get()
    assert (turn.state, turn.failure) == (Turn.State.STOPPED, Reason.STOPPED_EARLY)
    assert program.balance == 100


def test_one_client_chat_is_one_conversation_per_user(
    program: Program, bob: User, chat_site: Any
) -> None:
    program.ask("First", id="chat-1")
    program.ask("Second", id="chat-1")
    Program(chat_site, bob).ask("Mine", id="chat-1")
    assert Conversation.objects.count() == 2
    own = Conversation.objects.get(user=program.user)
    assert (own.external_id, own.turns.count(), own.title) == ("chat-1", 2, "First")
    assert "Second" in program.client.get(f"/ai-chat/{own.pk}").text


#: Longer than an address: all of a small picture.
DATA_URL = "data:image/png;base64," + "A" * 5000


def test_the_clients_messages_are_what_the_model_is_told(
    program: Program, provider: FakeProvider
) -> None:
    messages = [
        {"id": "0", "role": "system", "parts": [{"type": "text", "text": "Be brief."}]},
        {
            "id": "1",
            "role": "user",
            "parts": [
                {"type": "text", "text": "One?"},
                {"type": "file", "mediaType": "image/png", "url": "data:image/png;base64,AAAA"},
            ],
        },
        {
            "id": "2",
            "role": "assistant",
            "parts": [
                {"type": "step-start"},
                {"type": "reasoning", "text": "Hm."},
                {"type": "text", "text": "One.", "state": "done"},
            ],
        },
        {"id": "3", "role": "user", "parts": [{"type": "text", "text": "Two?"}]},
    ]
    attachments = [
        {"name": "a.pdf", "url": "http://192.0.2.1/a.pdf"},
        {"type": "file", "filename": "b.png", "mediaType": "image/png", "url": DATA_URL},
    ]
    body = {"messages": messages, "attachments": attachments, "temperature": 0.1}
    response = program.client.post("/api/ai/chat", json=body)
    assert parts_of(response)[-1]["type"] == "finish"
    call = provider.calls[-1].request
    told = [(message.role, message.text) for message in call.messages]
    listed = "One?\n\nAttached:\n- file (image/png): (its content was not sent on)"
    assert told[:3] == [("system", "Be brief."), ("user", listed), ("assistant", "One.")]
    assert told[3][1] == (
        "Two?\n\nAttached:\n- a.pdf: http://192.0.2.1/a.pdf\n"
        "- b.png (image/png): (its content was not sent on)"
    )
    assert call.temperature == 0.1


def test_a_long_past_is_cut_to_the_latest_messages(
    program: Program, provider: FakeProvider
) -> None:
    past = [
        {"role": role, "parts": [{"type": "text", "text": f"{n} " + "x" * 1500}]}
        for n in range(5)
        for role in ("user", "assistant")
    ]
    last = {"role": "user", "parts": [{"type": "text", "text": "Now?"}]}
    program.client.post("/api/ai/chat", json={"messages": [*past, last]})
    told = [message.text[:4] for message in provider.calls[-1].request.messages]
    assert told == ["4 xx", "4 xx", "Now?"]


TEXT = {"type": "text", "text": "Hi"}
PART = ["messages", 0, "parts", 0]


def with_parts(*parts: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "parts": list(parts)}]}


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"messages": []}, ["messages"]),
        ({"messages": "Hi"}, ["messages"]),
        ({"messages": [{"role": "user"}]}, ["messages", 0, "parts"]),
        ({"messages": [{"role": "robot", "parts": [TEXT]}]}, ["messages", 0, "role"]),
        ({"messages": [{"role": "assistant", "parts": [TEXT]}]}, ["messages"]),
        (with_parts(), ["messages"]),
        (with_parts({"type": "text"}), [*PART, "text"]),
        (with_parts({"type": "video"}), [*PART, "type"]),
        (with_parts({"type": "file", "url": "x"}), [*PART, "mediaType"]),
        (with_parts({"type": "text", "text": 7}), [*PART, "text"]),
        (with_parts({"type": "text", "text": "a\x00b"}), [*PART, "text"]),
        (with_parts({"type": "text", "text": " "}), ["messages"]),
        (with_parts({"type": "text", "text": "x" * 8001}), ["messages"]),
        ({"model": "gpt-99"}, ["model"]),
        ({"temperature": 2.1}, ["temperature"]),
        ({"temperature": -1}, ["temperature"]),
        ({"temperature": "1"}, ["temperature"]),
        ({"temperature": True}, ["temperature"]),
        ({"attachments": [{"name": "x"}]}, ["attachments", 0, "url"]),
        ({"id": 5}, ["id"]),
        ({"id": "x" * 201}, ["id"]),
        ({"trigger": "explode"}, ["trigger"]),
    ],
)  # fmt: skip
def test_a_bad_body_names_the_field_and_costs_nothing(
    alice: User, client: Client, change: dict[str, Any], path: list[str | int]
) -> None:
    client.force_login(alice)
    body = {**user_says("Hi"), **change}
    response = client.post("/api/ai/chat", body, content_type="application/json")
    problem = response.json()
    assert response.status_code == 400, problem
    assert problem["error"] == "invalid"
    assert path in [issue["path"] for issue in problem["issues"]], problem["issues"]
    assert not UsageHistory.objects.filter(credits_used__gt=0).exists()


def test_a_lone_surrogate_is_refused(alice: User, client: Client) -> None:
    client.force_login(alice)
    body = '{"messages":[{"role":"user","parts":[{"type":"text","text":"\\ud800"}]}]}'
    response = client.post("/api/ai/chat", body, content_type="application/json")
    assert response.status_code == 400


@pytest.mark.django_db
def test_nobody_is_401(client: Client) -> None:
    response = client.post("/api/ai/chat", user_says("Hi"), content_type="application/json")
    assert (response.status_code, response.json()["error"]) == (401, "unauthenticated")


def test_streams_hold_no_database_connection(
    start_site: Any, provider: FakeProvider, alice: User
) -> None:
    """Twelve streams wait for tokens in one process whose pool has two connections."""
    site = start_site(OPENAI_BASE_URL=provider.base_url, WEB_WORKERS="1", DATABASE_POOL_SIZE="2")
    open_streams = []  # Kept: httpx closes a response when its lines are let go.
    with ExitStack() as streams:
        for _ in range(12):
            program = Program(site, alice)
            response = streams.enter_context(program.streaming("[[gate]]"))
            open_streams.append(response.iter_lines())
            assert next(open_streams[-1]).startswith('data: {"type": "start"')
        assert site.client(alice).get("/api/credits/me").status_code == 200
        assert Turn.objects.filter(state=Turn.State.RUNNING).count() == 12
        provider.open_gate()
        assert ["data: [DONE]" in lines for lines in open_streams] == [True] * 12
    assert program.balance == 100 - 12


@pytest.mark.parametrize(
    ("accept", "is_json"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/json, text/plain, */*", True),
        ("application/json, text/event-stream;q=0.5", True),
        ("text/event-stream;q=0, application/json", True),
        ("*/*", False),
        ("application/json, text/event-stream", False),
        ("application/json;q=0.5, text/event-stream", False),
        ("application/json;q=0, */*", False),
    ],
)
def test_the_answer_is_of_the_kind_that_is_wanted_most(accept: str, is_json: bool) -> None:
    asked = Request(RequestFactory().post("/api/ai/chat", headers={"accept": accept}))
    assert wants_json(asked) is is_json


def test_an_answer_that_was_stopped_before_its_first_part_may_be_sent_back(
    program: Program,
) -> None:
    """`useChat` keeps such a message without parts, and sends it with every later one."""
    messages = [
        {"id": "1", "role": "user", "parts": [{"type": "text", "text": "Hi"}]},
        {"id": "2", "role": "assistant", "parts": []},
        {"id": "3", "role": "user", "parts": [{"type": "text", "text": "Again"}]},
    ]
    assert program.ask("", messages=messages).status_code == 200


def test_a_chat_is_begun_with_instructions_and_a_preset(
    program: Program, alice: User, bob: User
) -> None:
    preset = Preset.objects.create(user=alice, name="Poet", instructions="Rhyme.")
    body = {"id": "poems", "instructions": "Be brief.", "preset": str(preset.pk)}
    assert program.ask("Hi", **body).status_code == 200
    conversation = Conversation.objects.get()
    assert (conversation.instructions, conversation.preset) == ("Be brief.", preset)
    # In a chat that is known they are without effect.
    assert program.ask("Go on", id="poems", instructions="Be long.").status_code == 200
    conversation.refresh_from_db()
    assert conversation.instructions == "Be brief."


@pytest.mark.parametrize("wrong", ["preset", "instructions"])
def test_what_a_chat_cannot_be_begun_with_is_refused(
    program: Program, alice: User, bob: User, wrong: str
) -> None:
    other = Preset.objects.create(user=bob, name="Poet", instructions="Rhyme.")
    value = str(other.pk) if wrong == "preset" else "x" * 4001
    answer = program.ask("Hi", **{wrong: value})
    assert answer.status_code == 400
    assert answer.json()["issues"][0]["path"] == [wrong]
    assert not Conversation.objects.exists()
