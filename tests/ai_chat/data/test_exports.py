"""A chat as Markdown, as JSON and as a page to be printed."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ai_chat.models import Attachment, Conversation, ImageRequest, Turn
from credits.models import User
from credits.reasons import Reason
from tests.ai_chat.turns import fail, make_turn
from tests.api import Api
from tests.factories import make_charge

pytestmark = pytest.mark.django_db


def body(answer: Any) -> str:
    return b"".join(answer.streaming_content).decode()


def take(user: User, conversation: Conversation, what: str) -> Any:
    return Api(user).get(f"/ai-chat/{conversation.pk}/{what}")


@pytest.fixture
def chat(alice: User) -> Conversation:
    """A question with two versions, of which the second is shown; a file; an answer that failed."""
    conversation = Conversation.objects.create(
        user=alice, title="Ünïcode & “quotes” / ../x", instructions="Be brief."
    )
    file = Attachment.objects.create(
        user=alice, conversation=conversation, name="notes.pdf", kind="pdf", file="x",
        content_type="application/pdf", bytes=1,
    )  # fmt: skip
    first = make_turn(conversation, "One", "**1**", attachments=[file.pk])
    make_turn(conversation, "Two", "2")
    make_turn(conversation, "Two, edited", "2b", parent=first.pk)
    fail(conversation, "Three", Reason.PROVIDER_ERROR)
    return conversation


def test_markdown_is_what_is_shown(chat: Conversation, alice: User) -> None:
    answer = take(alice, chat, "export.md")
    text = body(answer)
    assert answer["Content-Type"] == "text/markdown; charset=utf-8"
    assert text.startswith("# Ünïcode")
    places = [text.index(each) for each in ("One", "(File: notes.pdf)", "**1**", "Two, edited")]
    assert places == sorted(places)
    assert "\n\n2\n" not in text, "Another version."
    assert "(the provider failed)" in text
    assert "credit" not in text


def test_json_is_all_of_it_with_receipts(chat: Conversation, alice: User) -> None:
    answer = take(alice, chat, "export.json")
    value = json.loads(body(answer))
    assert (value["format"], value["version"]) == ("tally-chat", 1)
    assert value["instructions"] == "Be brief."
    assert value["current"] == str(Turn.objects.get(prompt="Three").pk)
    turns = {each["prompt"]: each for each in value["turns"]}
    assert len(turns) == 4
    assert turns["Two"]["parent"] == turns["Two, edited"]["parent"] == turns["One"]["id"]
    assert [each["name"] for each in turns["One"]["attachments"]] == ["notes.pdf"]
    assert [turns[each]["credits"] for each in ("One", "Three")] == [1, 0]
    assert turns["One"]["model"] == "smollm2-135m"


@pytest.mark.parametrize(
    "title",
    [
        '"; filename=evil.exe',
        "a\r\nSet-Cookie: x=1",
        "../../etc/passwd",
        "日本語",
        "\u202egnp.exe",
        "💥",
    ],
)
def test_names_of_files_are_safe(alice: User, title: str) -> None:
    conversation = Conversation.objects.create(user=alice, title=title)
    for ending in ("md", "json"):
        header = take(alice, conversation, f"export.{ending}")["Content-Disposition"]
        assert header.startswith("attachment; filename")
        assert header.isascii() and "\n" not in header and "/" not in header
        assert header.rstrip('"').endswith(f".{ending}")
        assert "exe" not in header or "evilexe" in header or "gnpexe" in header


def test_a_page_to_be_printed_has_all_of_the_path_and_nothing_to_do(
    alice: User, chat: Conversation
) -> None:
    for number in range(60):
        make_turn(chat, f"Question {number}", f"Answer **{number}**")
    made = ImageRequest.objects.create(
        user=alice, conversation=chat, parent=chat.current, charge_id=make_charge(alice).id,
        model="painter", prompt="A cat", size="8x8", count=1, state="failed",
        failure="invalid_image",
    )  # fmt: skip
    Conversation.objects.filter(pk=chat.pk).update(current=made.pk)
    text = body(take(alice, chat, "print"))
    assert text.count('class="turn"') == 64
    assert "Answer <strong>0</strong>" in text and "Answer <strong>59</strong>" in text
    assert "A cat" in text and text.rstrip().endswith("</html>")
    assert "<!-- entries -->" not in text
    main = text.partition('id="main"')[2]
    assert "<form" not in main and "<button" not in main and "credit" not in main


def test_a_title_cannot_take_the_place_of_the_entries(alice: User) -> None:
    conversation = Conversation.objects.create(user=alice, title="<!-- entries --><script>")
    make_turn(conversation, "One", "1")
    text = body(take(alice, conversation, "print"))
    assert "<script>" not in text
    assert text.index("&lt;!-- entries") < text.index("One")


def test_two_thousand_turns_are_read_in_batches(alice: User) -> None:
    conversation = Conversation.objects.create(user=alice, title="Long")
    rows: list[Turn] = []
    for number in range(2000):
        turn = Turn(user=alice, conversation=conversation, model="m", state="imported")
        turn.prompt, turn.answer = f"Question {number}", "x" * 100
        turn.parent = rows[-1].pk if rows else None
        turn.created_at = timezone.now()
        rows.append(turn)
    Turn.objects.bulk_create(rows)
    Conversation.objects.filter(pk=conversation.pk).update(current=rows[-1].pk)
    for what, queries in (("export.md", 140), ("export.json", 60), ("print", 200)):
        answer = take(alice, conversation, what)
        with CaptureQueriesContext(connection) as asked:
            text = body(answer)
        assert text.count("Question ") >= 2000
        limit = queries if what != "print" else 2300  # Answers' HTML is kept.
        assert len(asked) < limit, what
        assert text.index("Question 0") < text.index("Question 1999")
