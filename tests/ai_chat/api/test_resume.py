"""The AI SDK's resume address, a call to stop, and what leaving a stream does."""

from itertools import takewhile
from uuid import uuid4

import pytest

from ai_chat.models import Turn
from credits.models import User
from tests.ai_chat.api.client import Program, parts_of
from tests.fakes.provider import FakeProvider
from tests.live import Site
from tests.waiting import wait_for

STREAM = "/api/ai/chat/chat-1/stream"
STOP = "/api/ai/chat/chat-1/stop"


def test_the_running_answer_is_streamed_from_its_beginning(
    program: Program, provider: FakeProvider
) -> None:
    """More often than there are processes: one of them is not the one that writes."""
    with program.streaming("[[tokens:20]] [[gate]]", id="chat-1") as response:
        lines = response.iter_lines()
        first = next(lines)
        wait_for(lambda: "word20" in Turn.objects.get().answer, "the words to be saved")
        opened = [program.site.client(program.user).stream("GET", STREAM) for _ in range(4)]
        resumed = [each.__enter__() for each in opened]
        own = program.site.client(program.user)
        with own.stream(
            "GET", f"/api/ai/chat/{Turn.objects.get().conversation_id}/stream"
        ) as by_id:
            assert next(by_id.iter_lines()) == first
        provider.open_gate()
        list(lines)
    turn = Turn.objects.get()
    for response in resumed:
        parts = parts_of(response)
        assert response.headers["x-vercel-ai-ui-message-stream"] == "v1"
        assert parts[0]["messageId"] == str(turn.pk)
        text = "".join(part["delta"] for part in parts if part["type"] == "text-delta")
        assert (text, parts[-1]["type"]) == (turn.answer, "finish")
    assert (turn.state, program.balance) == (Turn.State.ANSWERED, 99)


def test_where_nothing_runs_there_is_nothing_to_follow(
    program: Program, provider: FakeProvider, bob: User, chat_site: Site
) -> None:
    stranger = chat_site.client(bob)
    assert program.client.get(STREAM).status_code == 204
    assert program.client.get("/api/ai/chat/a%2Fb%00c/stream").status_code == 204
    with program.streaming("[[gate]]", id="chat-1") as response:
        lines = response.iter_lines()
        next(lines)
        conversation = Turn.objects.get().conversation_id
        assert stranger.get(STREAM).status_code == 204
        assert stranger.get(f"/api/ai/chat/{conversation}/stream").status_code == 204
        assert stranger.post(f"/api/ai/chat/{conversation}/stop").status_code == 404
        assert stranger.post(STOP).status_code == 404
        provider.open_gate()
        list(lines)
    assert Turn.objects.get().state == Turn.State.ANSWERED
    assert program.client.get(STREAM).status_code == 204
    assert program.client.post(STOP).status_code == 204
    assert program.client.post(f"/api/ai/chat/{uuid4()}/stop").status_code == 404


def test_a_call_stops_the_answer_for_all_who_follow(program: Program) -> None:
    with program.streaming("[[tokens:2000]] [[delay:0.02]]", id="chat-1") as response:
        lines = response.iter_lines()
        list(takewhile(lambda line: "text-delta" not in line, lines))
        assert program.client.post(STOP).status_code == 204
        assert 'data: {"type": "abort"}' in list(lines)
    turn = Turn.objects.get()
    assert (turn.state, program.balance) == (Turn.State.STOPPED, 99)


def test_who_resumed_and_leaves_stops_nothing(program: Program, provider: FakeProvider) -> None:
    with program.streaming("[[gate]]", id="chat-1") as response:
        lines = response.iter_lines()
        next(lines)
        for _ in range(4):
            with program.site.client(program.user).stream("GET", STREAM) as resumed:
                next(resumed.iter_lines())
        with program.site.client(program.user).stream("GET", STREAM) as resumed:
            # A comment a second: by the third, whoever has left was noticed.
            comments = (line for line in resumed.iter_lines() if line.startswith(":"))
            assert [next(comments) for _ in range(3)]
        assert Turn.objects.get().is_running
        provider.open_gate()
        list(lines)
    assert Turn.objects.get().state == Turn.State.ANSWERED


@pytest.mark.parametrize(
    ("choice", "state"), [("stop", Turn.State.STOPPED), ("continue", Turn.State.ANSWERED)]
)
def test_whether_leaving_stops_is_the_clients_choice(
    program: Program, choice: str, state: str
) -> None:
    text = "[[tokens:150]] [[delay:0.02]]"
    with program.streaming(text, onDisconnect=choice) as response:
        lines = response.iter_lines()
        list(takewhile(lambda line: "text-delta" not in line, lines))
    wait_for(lambda: not Turn.objects.get().is_running, "the turn to end")
    turn = Turn.objects.get()
    assert turn.state == state
    assert (len(turn.answer.split()) == 150) is (choice == "continue")
    assert program.balance == 99
