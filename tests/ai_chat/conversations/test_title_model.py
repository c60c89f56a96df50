"""Titles by the model that an admin names: once, for nothing, and never in the way of an answer."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from ai_chat.conversations import title_model
from ai_chat.conversations.chat_settings import change_settings
from ai_chat.conversations.services import rename_conversation
from ai_chat.conversations.title_model import DUE_FOR, make_title
from ai_chat.models import Conversation, Turn
from credits.models import Hold, Provider, UsageHistory, User
from credits.reasons import Reason
from tests.ai_chat.chat import Chat
from tests.ai_chat.turns import MODEL, fail, make_turn, text_model
from tests.factories import make_model
from tests.fakes.provider import FakeProvider
from tests.fakes.scripted import ScriptedProvider
from tests.live import running_worker
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


def titles_by(base_url: str) -> None:
    text_model()
    provider = Provider.objects.create(
        name="Titles", base_url=base_url, dialect=Provider.Dialect.COMPATIBLE
    )
    model = make_model("title-model", provider=provider, provider_model=MODEL)
    change_settings(actor=None, changes={"titleModel": model.name})


def queued() -> list[str]:
    jobs = ProcrastinateJob.objects.filter(task_name="chat.title")
    return [job.args["turn_id"] for job in jobs]


def due_turn(user: User, prompt: str = "Why is it so?", answer: str = "Because.") -> Turn:
    """A turn whose conversation waits for the model's title."""
    conversation = Conversation.objects.create(
        user=user, title="By the rule", title_due_until=timezone.now() + DUE_FOR
    )
    return make_turn(conversation, prompt, answer)


def title_of(turn: Turn) -> str:
    return Conversation.objects.get(pk=turn.conversation_id).title


def test_the_model_is_asked_once_after_the_first_answer_and_nobody_pays(
    chat: Chat, provider: FakeProvider
) -> None:
    titles_by(provider.base_url)
    chat.send("Why is the sky blue? [[tokens:3]]")
    turn = chat.turn
    assert title_of(turn) == "Why is the sky blue?"
    assert queued() == [str(turn.pk)]
    chat.send("And the sea? [[tokens:3]]", path=f"/ai-chat/{turn.conversation_id}")
    assert queued() == [str(turn.pk)]
    paid = (chat.balance, UsageHistory.objects.count())
    make_title(str(turn.pk))
    assert title_of(turn) == "word1 word2 word3"
    assert (chat.balance, UsageHistory.objects.count(), Hold.objects.count()) == (*paid, 0)
    make_title(str(turn.pk))
    assert provider.completions_started == 3
    chat.send("Really? [[tokens:3]]", path=f"/ai-chat/{turn.conversation_id}")
    assert queued() == [str(turn.pk)]


def test_without_a_model_nothing_is_asked(chat: Chat) -> None:
    chat.send("Hello!")
    assert queued() == []
    assert title_of(chat.turn) == "word1 word2 word3 word4 word5 word6 word7 word8"


def test_after_an_answer_that_failed_it_is_the_next_one(chat: Chat, provider: FakeProvider) -> None:
    titles_by(provider.base_url)
    conversation = Conversation.objects.create(user=chat.user, title="By the rule")
    fail(conversation, "Why?", Reason.TIMEOUT, "Beca")
    chat.send("Why then? [[fail:500]]", path=f"/ai-chat/{conversation.pk}")
    assert queued() == []
    Turn.objects.update(prompt="Why?")
    chat.send("Why then?", path=f"/ai-chat/{conversation.pk}")
    assert queued() == [str(chat.turn.pk)]


def test_the_call_is_short(wire: ScriptedProvider, alice: User) -> None:
    titles_by(wire.base_url)
    turn = due_turn(alice, "q" * 9_000, "a" * 50_000)
    make_title(str(turn.pk))
    [call] = wire.calls
    assert len(str(call["messages"])) < 2_500
    assert call.get("max_tokens", call.get("max_completion_tokens")) == 40


@pytest.mark.parametrize("fault", ["status", "silence", "nothing"])
def test_a_failure_leaves_the_title_of_the_rule(
    wire: ScriptedProvider, alice: User, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(title_model, "CALL_SECONDS", 3.0)
    titles_by(wire.base_url)
    wire.silent, wire.status = fault == "silence", 500 if fault == "status" else 200
    turn = due_turn(alice)
    make_title(str(turn.pk))
    assert wire.calls
    assert title_of(turn) == "By the rule"
    assert not title_model.is_due(Conversation.objects.get())


def test_a_title_that_the_user_chose_stays(chat: Chat, provider: FakeProvider, alice: User) -> None:
    titles_by(provider.base_url)
    turn = due_turn(alice, "Why? [[gate]]")
    asking = threading.Thread(target=_make_title, args=[turn])
    asking.start()
    wait_for(lambda: provider.open_completions == 1, "the call for a title")
    rename_conversation(conversation=turn.conversation, title="Mine")
    provider.open_gate()
    asking.join()
    assert title_of(turn) == "Mine"
    # And nobody is asked for one that has it already.
    chosen = due_turn(alice)
    rename_conversation(conversation=chosen.conversation, title="Mine too")
    make_title(str(chosen.pk))
    assert provider.completions_started == 1


def _make_title(turn: Turn) -> None:
    try:
        make_title(str(turn.pk))
    finally:
        connections.close_all()


def test_a_title_that_comes_too_late_is_not_asked_for(provider: FakeProvider, alice: User) -> None:
    titles_by(provider.base_url)
    turn = due_turn(alice)
    Conversation.objects.update(title_due_until=timezone.now())
    make_title(str(turn.pk))
    Turn.objects.all().delete()
    make_title(str(turn.pk))
    assert provider.completions_started == 0


def test_a_worker_that_is_killed_while_it_asks_leaves_the_chat_as_it_is(
    chat: Chat, provider: FakeProvider, tmp_path: Path
) -> None:
    titles_by(provider.base_url)
    chat.send("Why is the sky blue? [[tokens:3]]")
    turn, paid = chat.turn, chat.balance
    Turn.objects.filter(pk=turn.pk).update(prompt="Why? [[gate]]")
    with running_worker({}, log=tmp_path / "worker.log") as worker:
        wait_for(lambda: provider.open_completions == 1, "the call for a title")
        os.kill(worker.pid, signal.SIGKILL)
    wait_for(lambda: provider.open_completions == 0, "its end")
    assert title_of(turn) == "Why is the sky blue?"
    assert chat.send("Go on", path=f"/ai-chat/{turn.conversation_id}").names[-1] == "end"
    assert chat.balance == paid - 1
    assert queued() == [str(turn.pk)]


def test_the_page_asks_as_long_as_a_title_may_come(
    client: Client, alice: User, provider: FakeProvider
) -> None:
    titles_by(provider.base_url)
    turn = due_turn(alice)
    client.force_login(alice)
    place = f"/ai-chat/{turn.conversation_id}"
    assert "load delay:2s" in client.get(place).text
    headers = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{place}"}
    ask: Callable[[], Any] = lambda: client.get("/ai-chat/title", headers=headers)  # noqa: E731
    answer = ask()
    assert "load delay:2s" in answer.text
    assert "HX-Trigger" not in answer
    Conversation.objects.update(title="<b>New</b>", title_due_until=timezone.now())
    answer = ask()
    assert "&lt;b&gt;New&lt;/b&gt;</h1>" in answer.text
    assert "load delay" not in answer.text
    assert answer["HX-Trigger"] == "conversations:changed"
