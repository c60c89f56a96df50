"""The HTML of an answer is made once, kept with it, and never comes from anywhere else."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ai_chat.conversations import rendering
from ai_chat.markdown import RENDERER_VERSION, Allowance, render
from ai_chat.models import Conversation, Turn
from ai_chat.templatetags.chat import answer_html
from credits.models import User
from tests.ai_chat.chat import Chat
from tests.ai_chat.turns import charge_turn, make_turn

WRITTEN = {"html": "<script>alert(1)</script>", "html_version": "1", "source": "<b>", "answer": "x"}


@pytest.fixture
def conversation(alice: User) -> Conversation:
    return Conversation.objects.create(user=alice, title="Long")


@pytest.fixture
def browser(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each text that was rendered for a page."""
    texts: list[str] = []

    def note(text: str, allowance: Allowance | None = None) -> str:
        texts.append(text)
        return render(text, allowance)

    monkeypatch.setattr(rendering, "render", note)
    return texts


def test_an_ending_keeps_the_html_that_pages_show(chat: Chat) -> None:
    answer = chat.send("Say [[tokens:5]]")
    turn = Turn.objects.get()
    assert (turn.html, turn.html_version) == (render(turn.answer), RENDERER_VERSION)
    assert turn.html.strip() in answer.events[-1][1]
    Turn.objects.update(html="<p>kept</p>")
    page = chat.client.get(f"/ai-chat/{turn.conversation_id}").text
    assert '<div class="md"><p>kept</p></div>' in page


def test_a_failed_and_a_stopped_answer_keep_theirs(chat: Chat) -> None:
    chat.send("A story [[fail:cut:5]]")
    turn = Turn.objects.get()
    assert turn.state == Turn.State.FAILED
    assert (turn.html, turn.html_version) == (render(turn.answer), RENDERER_VERSION)


def test_a_page_has_one_allowance_and_renders_each_answer_once(
    conversation: Conversation,
    browser: Client,
    rendered: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ticks = (number * rendering.PAGE_SECONDS / 4 for number in range(1_000))
    monkeypatch.setattr(rendering, "thread_time", lambda: next(ticks))
    for number in range(10):
        make_turn(conversation, "Hi", f"**answer {number}** <b>")
    page = browser.get(f"/ai-chat/{conversation.pk}").content.decode()
    assert rendered == [f"**answer {number}** <b>" for number in (9, 8, 7, 6)], "the latest first"
    assert page.count("<strong>answer") == 4
    assert page.count('<p class="plain" dir="auto">**answer') == 6
    for _ in range(2):
        page = browser.get(f"/ai-chat/{conversation.pk}").content.decode()
    assert 'class="plain"' not in page
    browser.get(f"/ai-chat/{conversation.pk}")
    assert len(rendered) == 10


def test_formulas_count_although_another_process_converts_them(
    conversation: Conversation, browser: Client, rendered: list[str]
) -> None:
    formulas = "\n\n".join(f"${'(' * 40}{number}$" for number in range(9))
    for number in range(9):
        make_turn(conversation, "Hi", f"{formulas} {number}")
    page = browser.get(f"/ai-chat/{conversation.pk}").content.decode()
    assert 0 < len(rendered) < 9
    assert page.count('class="plain"') == 9 - len(rendered)


def test_a_page_reads_no_answer_whose_html_is_kept(
    conversation: Conversation, browser: Client
) -> None:
    for number in range(5):
        make_turn(conversation, f"Question {number}", f"Answer {number}" + "x" * 20_000)
    browser.get(f"/ai-chat/{conversation.pk}")
    with CaptureQueriesContext(connection) as queries:
        page = browser.get(f"/ai-chat/{conversation.pk}").content.decode()
    assert "Answer 4" in page
    sent = [query["sql"] for query in queries]
    assert not any("UPDATE" in sql and '"html"' in sql for sql in sent)
    reading = [sql for sql in sent if '"ai_chat_turn"."answer"' in sql]
    for sql in reading:
        without = re.sub(
            r'((octet_)?length\("ai_chat_turn"\."answer"\)|ELSE "ai_chat_turn"\."answer" END)',
            "", sql, flags=re.IGNORECASE,
        )  # fmt: skip
        assert '"ai_chat_turn"."answer"' not in without, sql


def test_an_answer_of_another_version_is_rendered_anew(
    conversation: Conversation, browser: Client, rendered: list[str]
) -> None:
    turn = make_turn(conversation, "Hi", "**new**", html="<p>old</p>", html_version=9_999)
    page = browser.get(f"/ai-chat/{conversation.pk}").content.decode()
    assert "<strong>new</strong>" in page
    assert "<p>old" not in page
    turn.refresh_from_db()
    assert (turn.html, turn.html_version) == (render("**new**"), RENDERER_VERSION)
    assert rendered == ["**new**"]


def test_an_answer_that_is_being_written_keeps_nothing(
    alice: User, conversation: Conversation, browser: Client
) -> None:
    turn = charge_turn(alice, conversation=conversation)
    Turn.objects.filter(pk=turn.pk).update(answer="half")
    assert "data-follow" in browser.get(f"/ai-chat/{conversation.pk}").content.decode()
    turn.refresh_from_db()
    assert (turn.html, turn.html_version) == ("", 0)


def test_html_that_the_renderer_did_not_make_is_never_markup(conversation: Conversation) -> None:
    turn = make_turn(conversation, "Hi", "<b>x</b>", html="<script>alert(1)</script>")
    assert "<script>" not in answer_html(turn)
    assert "&lt;b&gt;x&lt;/b&gt;" in answer_html(turn)


def test_no_input_writes_html(chat: Chat) -> None:
    chat.send("Say [[tokens:2]]", **WRITTEN)
    turn = Turn.objects.get()
    conversation = f"/ai-chat/{turn.conversation_id}"
    for path in (conversation, f"{conversation}/rename", f"/ai-chat/turns/{turn.pk}/stop"):
        chat.client.post(path, data={**WRITTEN, "title": "T"})
        chat.client.get(path, params=WRITTEN)
    for kept in Turn.objects.all():
        assert kept.html == render(kept.answer)
        assert "script" not in kept.html


def test_a_renderer_that_fails_takes_no_answer_away(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_text: str) -> str:
        raise RecursionError

    monkeypatch.setattr(rendering, "render", fail)
    assert rendering.html_columns("text") == {}
    assert "could not be rendered" in caplog.text
