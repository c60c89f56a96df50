"""The messages for a model: of whatever was said, a list that the strictest takes."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_chat.conversations.drafts import Draft
from ai_chat.conversations.history import (
    LEAST_CHARACTERS,
    KnownFrom,
    from_messages,
    history,
    known_from,
    messages_of,
    room_for,
    shortened,
)
from ai_chat.conversations.path import beside, end_of, show_version
from ai_chat.models import Conversation, Place, Turn
from ai_chat.providers.chat import Message
from credits.models import User
from credits.reasons import Reason
from tests.ai_chat.turns import fail, make_turn, text_model
from tests.fakes.strict import problem_of

type Ask = Callable[..., list[Any]]

ROLES = st.sampled_from(["system", "user", "assistant"])
TEXTS = st.text(alphabet="ab \n", max_size=30)
SAID = st.lists(st.builds(lambda role, text: Message(role=role, content=text), ROLES, TEXTS))


@given(said=SAID, room=st.integers(0, 2000))
def test_whatever_a_client_sends_the_strictest_model_takes(said: list[Message], room: int) -> None:
    messages = messages_of(from_messages(said), "Now?", system="", room=room)
    assert not problem_of(messages), messages
    assert str(messages[-1]["content"]).endswith("Now?")


@pytest.fixture
def conversation(alice: User) -> Conversation:
    return Conversation.objects.create(user=alice, title="A chat")


@pytest.fixture
def ask(conversation: Conversation) -> Ask:
    """What the model is told when the prompt is sent now, as (first letter of the role, text)."""

    def ask(prompt: str, place: Place | None = None) -> list[Any]:
        draft = Draft(
            user_id=conversation.user_id, text=prompt, place=place or end_of(conversation)
        )
        messages = history(draft, text_model()).messages
        assert not problem_of(messages), messages
        return [(message["role"][0], message["content"]) for message in messages]

    return ask


def test_answers_that_were_paid_for_are_told_and_no_others(
    conversation: Conversation, ask: Ask
) -> None:
    make_turn(conversation, "Whole?", "Whole.", reasoning="Hm.")
    make_turn(conversation, "Cut?", "Cut", cut=Turn.Cut.LENGTH)
    make_turn(conversation, "Stopped?", "Stop", state=Turn.State.STOPPED)
    fail(conversation, "Torn?", Reason.CUT_OFF, "Half")
    make_turn(conversation, "Running?", "Begun", state=Turn.State.RUNNING)
    assert ask("Now?") == [
        ("u", "Whole?"), ("a", "Whole."), ("u", "Cut?"), ("a", "Cut"), ("u", "Stopped?"),
        ("a", "Stop"), ("u", "Torn?\n\nRunning?\n\nNow?"),
    ]  # fmt: skip


def test_a_question_that_is_asked_again_goes_once(conversation: Conversation, ask: Ask) -> None:
    fail(conversation, "Why?", Reason.TIMEOUT, "Becau")
    fail(conversation, "Why?", Reason.TIMEOUT)
    assert ask("Why?") == [("u", "Why?")]
    make_turn(conversation, "Why?", "So.")
    assert ask("Really?") == [("u", "Why?"), ("a", "So."), ("u", "Really?")]
    # Who says the same after an answer means it.
    assert ask("Why?") == [("u", "Why?"), ("a", "So."), ("u", "Why?")]


@pytest.mark.parametrize("reason", [Reason.REFUSED, Reason.NOT_ACCEPTED, Reason.STOPPED_EARLY])
def test_a_question_that_would_fail_every_later_one_is_not_told(
    conversation: Conversation, ask: Ask, reason: Reason
) -> None:
    fail(conversation, "Something forbidden", reason)
    assert ask("Hello") == [("u", "Hello")]


def test_a_question_that_was_stopped_is_not_told_though_the_stop_cost(
    conversation: Conversation, ask: Ask
) -> None:
    turn = make_turn(conversation, "Oops", state=Turn.State.STOPPED)
    Turn.objects.filter(pk=turn.pk).update(failure=Reason.STOPS_USED_UP)
    assert ask("Hello") == [("u", "Hello")]


def test_only_the_path_that_is_shown_is_told(conversation: Conversation, ask: Ask) -> None:
    make_turn(conversation, "One?", "1")
    second = make_turn(conversation, "Two?", "2")
    make_turn(conversation, "Three?", "3")
    told = [("u", "One?"), ("a", "1")]
    assert ask("Two?", beside(second)) == [*told, ("u", "Two?")]
    make_turn(conversation, "Two?", "two", parent=second.parent)
    assert ask("Three?") == [*told, ("u", "Two?"), ("a", "two"), ("u", "Three?")]
    show_version(conversation=conversation, entry=second.pk)
    conversation.refresh_from_db()
    assert [text for _, text in ask("Four?")] == ["One?", "1", "Two?", "2", "Three?", "3", "Four?"]


def test_the_last_turn_is_told_however_long_it_is(
    conversation: Conversation, ask: Ask, settings: Any
) -> None:
    settings.HISTORY_MAX_CHARACTERS = 1000
    make_turn(conversation, "Early?", "Yes.")
    question = "Begin " + "x" * 7000 + " end"
    long = make_turn(conversation, question, "It was long.")
    (_, told), answer, now = ask("What was that about?")
    assert told.startswith("Begin xx") and " […] " in told and told.endswith("xx end")
    assert (answer, now) == (("a", "It was long."), ("u", "What was that about?"))
    assert len(told) + len("It was long.") + len("What was that about?") <= 1000
    assert ask("y" * 5000)[-1] == ("u", "y" * 5000), "The prompt is sent whole."
    assert known_from(conversation, text_model()) == KnownFrom(long.pk, True, True)


def test_known_from_is_none_where_all_is_known(conversation: Conversation) -> None:
    assert known_from(conversation, text_model()) is None
    fail(conversation, "A long one " + "x" * 6000, Reason.CONTEXT_TOO_LONG)
    make_turn(conversation, "Hello?", "Hello.")
    assert known_from(conversation, text_model()) is None


def test_a_small_context_leaves_less_room(conversation: Conversation, settings: Any) -> None:
    settings.ANSWER_MAX_TOKENS = 500
    assert room_for(text_model(context_tokens=None)) == settings.HISTORY_MAX_CHARACTERS
    assert room_for(text_model(context_tokens=2048)) == 2 * (2048 - 500)
    reasons = text_model(context_tokens=2048, output_tokens=300, reasoning_tokens=200)
    assert room_for(reasons) == 2 * (2048 - 300 - 200)
    assert room_for(text_model(context_tokens=100)) == 0
    make_turn(conversation, "x" * 5000, "y" * 5000)
    draft = Draft(user_id=conversation.user_id, text="Now?", place=end_of(conversation))
    told = history(draft, text_model(context_tokens=100)).messages
    assert sum(len(message["content"]) for message in told) == LEAST_CHARACTERS + len("Now?")


def test_each_conversation_that_was_too_long_is_halved_and_stays_so(
    conversation: Conversation, ask: Ask
) -> None:
    for number in range(8):
        make_turn(conversation, f"{number}?" + "x" * 98, "y" * 100)
    assert len(ask("Now?")) == 17
    fail(conversation, "Now?", Reason.CONTEXT_TOO_LONG)
    assert len(ask("Now?")) == 9
    fail(conversation, "Now?", Reason.CONTEXT_TOO_LONG)
    assert [text[:2] for _, text in ask("Now?")] == ["6?", "yy", "7?", "yy", "No"]
    make_turn(conversation, "Now?", "Yes.")
    assert [text[:2] for _, text in ask("Then?")] == ["6?", "yy", "7?", "yy", "No", "Ye", "Th"]
    for _ in range(12):
        fail(conversation, "Then?", Reason.CONTEXT_TOO_LONG)
    assert [text for _, text in ask("Then?")] == ["[…]", "[…]", "Then?"]
    # Another model may read more.
    Turn.objects.filter(failure=Reason.CONTEXT_TOO_LONG).update(model="other")
    assert len(ask("Then?")) == 19


def test_a_shortened_text_keeps_its_beginning_and_its_end() -> None:
    assert shortened("abc", 3) == "abc"
    assert shortened("a" * 50 + "b" * 50, 25) == "a" * 10 + " […] " + "b" * 10
    assert shortened("a" * 50, 0) == "[…]"


def test_sizes_tell_questions_of_one_length_apart(conversation: Conversation) -> None:
    fail(conversation, "Why?", Reason.TIMEOUT)
    for text in ("Why?", "What"):
        draft = Draft(user_id=conversation.user_id, text=text, place=end_of(conversation))
        whole, sizes = (history(draft, text_model(), only_sizes=each) for each in (False, True))
        assert [len(each["content"]) for each in whole.messages] == [
            len(each["content"]) for each in sizes.messages
        ]
