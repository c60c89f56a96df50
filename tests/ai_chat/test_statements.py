"""How many statements stand between a message and the call of its provider, and what a page of a
chat asks: each is a round trip that somebody waits for."""

import json
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ai_chat.conversations import turns
from ai_chat.conversations.drafts import Draft
from ai_chat.conversations.history import history
from ai_chat.conversations.path import add_versions, end_of, last_after
from ai_chat.models import Conversation
from credits.models import User
from tests.ai_chat.turns import MODEL, make_turn, text_model

pytestmark = pytest.mark.django_db(transaction=True)


class Asked(Exception):
    """The provider would be asked now."""


@pytest.fixture
def browser(alice: User, monkeypatch: pytest.MonkeyPatch) -> Client:
    """One who posts messages until the provider is asked."""

    def begin(work: Any) -> None:
        raise Asked(work)

    monkeypatch.setattr(turns, "begin", begin)
    text_model()
    client = Client()
    client.force_login(alice)
    return client


@pytest.fixture
def conversation(alice: User) -> Conversation:
    conversation = Conversation.objects.create(user=alice, title="A chat")
    for number in range(3):
        make_turn(conversation, f"Question {number}", "An answer.")
    return conversation


def statements(call: Any) -> list[str]:
    with CaptureQueriesContext(connection) as queries, pytest.raises(Asked):
        call()
    return [query["sql"] for query in queries.captured_queries]


def post(browser: Client, path: str) -> None:
    form = {"message": "Hi", "model": MODEL, "key": uuid4().hex, "price": "1"}
    browser.post(path, form, headers={"Accept": "text/event-stream"})


def post_json(browser: Client, **body: Any) -> None:
    body["messages"] = [{"role": "user", "parts": [{"type": "text", "text": "Hi"}]}]
    browser.post("/api/ai/chat", json.dumps(body), content_type="application/json")


def test_a_new_chat_takes_four_statements(browser: Client) -> None:
    # Who asks; the models; what the model is told; the charge with all that it records.
    for call in (lambda: post(browser, "/ai-chat"), lambda: post_json(browser)):
        assert len(asked := statements(call)) == 4, asked


def test_a_message_in_a_chat_takes_two_more(browser: Client, conversation: Conversation) -> None:
    # The conversation, and the turns on its path.
    asked = statements(lambda: post(browser, f"/ai-chat/{conversation.pk}"))
    assert len(asked) == 6, asked


def test_a_program_s_name_of_a_chat_is_looked_up_besides(
    browser: Client, conversation: Conversation
) -> None:
    asked = statements(lambda: post_json(browser, id=str(conversation.pk)))
    assert len(asked) == 7, asked


def rows_read(call: Any) -> int:
    """Of turns, by what the call asks in this transaction."""
    counted = "SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = %s"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(counted, ["ai_chat_turn"])
        [before] = cursor.fetchone() or [0]
        call()
        cursor.execute(counted, ["ai_chat_turn"])
        return int(cursor.fetchone()[0] - (before or 0))


def test_a_long_chat_is_not_read_anew_for_each_entry(conversation: Conversation) -> None:
    more = (make_turn(conversation, f"Question {number}", "An answer.") for number in range(37))
    entries = [*conversation.turns.order_by("created_at"), *more]
    beside = make_turn(conversation, "Beside", "An answer.", parent=entries[-1].parent)
    assert rows_read(lambda: add_versions(conversation.pk, entries)) <= 3 * len(entries)
    assert [each.versions is None for each in entries] == [True] * 39 + [False]

    def follow() -> None:
        assert last_after(conversation, entries[0].pk) == beside.pk

    assert rows_read(follow) <= 3 * len(entries)


def test_a_price_reads_no_answer(conversation: Conversation) -> None:
    draft = Draft(user_id=conversation.user_id, text="Hi", place=end_of(conversation))
    model = text_model()
    with CaptureQueriesContext(connection) as queries:
        sizes = history(draft, model, only_sizes=True)
    assert len(queries) == 2
    columns = queries.captured_queries[-1]["sql"].partition(" FROM ")[0]
    assert '"answer",' not in columns
    sent = history(draft, model)
    assert [len(each["content"]) for each in sizes.messages] == [
        len(each["content"]) for each in sent.messages
    ]
