"""What the model is told, seen by a provider that answers 400 to anything but strict turns."""

from typing import Any

import pytest

from ai_chat.models import Conversation, Turn
from credits.reasons import Reason
from tests.ai_chat.api.client import Program, message
from tests.ai_chat.chat import Chat
from tests.ai_chat.images.fake import FakePainter
from tests.ai_chat.strict import answer, told
from tests.ai_chat.turns import make_turn, text_model


def user(*parts: Any) -> dict[str, Any]:
    return message("user", *parts)


@pytest.fixture
def provider(strict_painter: FakePainter) -> FakePainter:
    return strict_painter


@pytest.fixture
def program(odd_studio: Program) -> Program:
    return odd_studio


ODD = {
    "two of the user": ([user("One"), user("Two")], [("user", "One\n\nTwo\n\nNow?")]),
    "the assistant first": ([message("assistant", "Hello!")], [("user", "Now?")]),
    "the question twice": ([user("Now?")], [("user", "Now?")]),
    "nothing in one": ([user("One"), message("assistant")], [("user", "One\n\nNow?")]),
    "system messages anywhere": (
        [message("system", "Be brief."), user("One"), message("assistant", "1"),
         message("system", "Be kind.")],
        [("system", "Be brief.\n\nBe kind."), ("user", "One"), ("assistant", "1"),
         ("user", "Now?")],
    ),
}  # fmt: skip


def test_messages_that_do_not_alternate_are_put_in_order(
    program: Program, provider: FakePainter, subtests: pytest.Subtests
) -> None:
    for name, (messages, expected) in ODD.items():
        with subtests.test(name):
            response = program.post(*messages, user("Now?"))
            assert response.status_code == 200, response.text
            assert told(provider) == expected


def test_stored_turns_are_the_history_of_a_known_chat(
    program: Program, provider: FakePainter
) -> None:
    program.post(user("One?"), id="chat-1")
    program.post(message("system", "Be brief."), user("Two?"), id="chat-1")
    stored = [("user", "One?"), ("assistant", "Yes.")]
    assert told(provider) == [("system", "Be brief."), *stored, ("user", "Two?")]
    program.post(user("Made up"), message("assistant", "Lies"), user("Three?"), id="chat-1")
    assert told(provider)[:2] == stored and told(provider)[-1] == ("user", "Three?")
    assert ("assistant", "Lies") not in told(provider)
    # The page's conversation, by the id that it has here.
    known = Conversation.objects.get()
    program.post(user("Four?"), id=str(known.pk))
    assert len(told(provider)) == 7
    assert Conversation.objects.count() == 1
    # An id that nobody knows yet: what the client sends.
    program.post(user("A?"), message("assistant", "B"), user("C?"), id="chat-2")
    assert told(provider) == [("user", "A?"), ("assistant", "B"), ("user", "C?")]


def test_a_message_regenerated_is_told_once(program: Program, provider: FakePainter) -> None:
    first = program.post(user("One?"), id="chat-1").json()["message"]["id"]
    provider.answer = answer("No.")
    regenerate = {"id": "chat-1", "trigger": "regenerate-message"}
    program.post(user("One?"), **regenerate)
    assert told(provider) == [("user", "One?")]
    program.post(user("Two?"), id="chat-1")
    assert told(provider) == [("user", "One?"), ("assistant", "No."), ("user", "Two?")]
    program.post(user("One?"), **regenerate, messageId=first)
    assert told(provider)[-1] == ("user", "One?")
    assert program.balance == 96, "Each answer has a charge of its own."


def test_a_message_regenerated_is_recognised_as_it_is_kept(
    program: Program, provider: FakePainter
) -> None:
    """Without a name of ours, by its text: blanks around it and files in it change nothing."""
    text_model(reads_images=True)
    picture = {"type": "file", "mediaType": "image/png", "url": "data:image/png;base64,QUJD"}
    regenerate = {"id": "chat-1", "trigger": "regenerate-message", "messageId": "msg-of-the-client"}
    program.post(user("One?\r\n", picture), id="chat-1")
    provider.answer = answer("No.")
    program.post(user("One?\r\n", picture), **regenerate)
    assert len(told(provider)) == 1
    program.post(user("Two?"), id="chat-1")
    assert [role for role, _ in told(provider)] == ["user", "assistant", "user"]
    assert told(provider)[1] == ("assistant", "No.")
    program.post(user(" Two?\n"), **regenerate)
    assert [content for _, content in told(provider)][1:] == ["No.", "Two?"]


def test_after_a_failure_ask_again_tells_the_question_once(
    program: Program, provider: FakePainter
) -> None:
    person = Chat(program.site, program.user)
    provider.answer = answer("Half an ans").replace(b"stop", b"unheard_of")
    torn = provider.answer.split(b'data: {"choices": [{"delta": {}')[0]
    provider.answer = torn
    assert person.send("Why?").receipt.startswith("↩ Refunded")
    assert person.turn.answer == "Half an ans"
    path = f"/ai-chat/{person.turn.conversation_id}"
    provider.answer = answer("So.")
    person.send("Why?", path=path)
    assert told(provider) == [("user", "Why?")]
    person.send("Really?", path=path)
    assert told(provider) == [("user", "Why?"), ("assistant", "So."), ("user", "Really?")]


def test_a_long_message_is_told_in_part_and_the_page_says_so(
    program: Program, provider: FakePainter
) -> None:
    person = Chat(program.site, program.user)
    person.send("Begin " + "x" * 7000 + " end")
    path = f"/ai-chat/{person.turn.conversation_id}"
    person.send("What was that about?", path=path)
    (_, question), *others = told(provider)
    assert question.startswith("Begin xx") and question.endswith("xx end")
    assert others == [("assistant", "Yes."), ("user", "What was that about?")]
    page = person.client.get(path).text
    assert "it knows the beginning and the end" not in page.split("What was that about?")[1]
    known_from = page.index("The model no longer knows what stands above.")
    assert page.index("Begin xx") < known_from < page.rindex("What was that about?")
    person.client.post(f"{path}/rename", data={"title": "Short"})
    Conversation.objects.update(current=Turn.objects.get(prompt__startswith="Begin").pk)
    assert "it knows the beginning and the end" in person.client.get(path).text


def test_a_chat_that_is_known_as_a_whole_has_no_such_line(
    program: Program, provider: FakePainter
) -> None:
    person = Chat(program.site, program.user)
    person.send("Hello")
    page = person.client.get(f"/ai-chat/{person.turn.conversation_id}").text
    assert "The model no longer knows" not in page and "it knows the beginning" not in page


def test_after_too_long_a_conversation_the_next_try_sends_less(
    program: Program, provider: FakePainter
) -> None:
    conversation = Conversation.objects.create(user=program.user, title="", external_id="chat-1")
    for number in range(8):
        make_turn(conversation, f"{number}?" + "x" * 98, "y" * 100)
    too_long = {"error": {"code": "context_length_exceeded", "message": "Too many tokens."}}
    provider.status, provider.answer = 400, too_long
    for expected in (17, 9, 5):
        failed = program.post(user("Now?"), id="chat-1")
        assert (failed.status_code, failed.json()["reason"]) == (502, Reason.CONTEXT_TOO_LONG)
        assert len(told(provider)) == expected
    provider.status, provider.answer = 200, answer("Yes.")
    assert program.post(user("Now?"), id="chat-1").status_code == 200
    assert len(told(provider)) == 3


def test_reasoning_is_not_told(program: Program, provider: FakePainter) -> None:
    conversation = Conversation.objects.create(user=program.user, title="", external_id="chat-1")
    make_turn(conversation, "One?", "1", reasoning="Hm, let me see.")
    program.post(user("2?"), id="chat-1")
    assert told(provider) == [("user", "One?"), ("assistant", "1"), ("user", "2?")]
