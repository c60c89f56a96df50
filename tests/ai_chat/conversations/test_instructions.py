"""What models are told before the messages: which instructions, in which order, how much of them,
and how warm the answer is."""

from typing import Any
from uuid import uuid4

import pytest

from ai_chat.conversations.drafts import Draft
from ai_chat.conversations.history import LEAST_CHARACTERS, history, known_from, room_for
from ai_chat.conversations.instructions import MAX_CHARACTERS, told_in
from ai_chat.conversations.path import end_of
from ai_chat.conversations.presets import (
    MOST_PRESETS,
    InvalidSetup,
    delete_preset,
    find_preset,
    save_account_instructions,
    save_preset,
    set_up,
)
from ai_chat.conversations.quotes import quote_message
from ai_chat.conversations.turns import start_turn
from ai_chat.models import Beginning, ChatSettings, Conversation, Preset, Setup
from ai_chat.offer import get_offer
from ai_chat.providers.chat import Message
from credits.catalogue.models import get_model
from credits.features import TEXT
from credits.models import User
from tests.ai_chat.tokens import price_by_tokens
from tests.ai_chat.turns import make_turn, text_model
from tests.fakes.strict import problem_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def conversation(alice: User) -> Conversation:
    return Conversation.objects.create(user=alice, title="A chat")


def make_preset(user: User | None = None, **columns: Any) -> Preset:
    return save_preset(preset=Preset(user=user), **{"name": "Poet", **columns})


def set_house_rule(text: str) -> None:
    ChatSettings.objects.update_or_create(pk=1, defaults={"house_rule": text})


def told(draft: Draft, **model: Any) -> Any:
    """The system message of the call, if it has one."""
    messages = history(draft, text_model(**model)).messages
    assert not problem_of(messages), messages
    return messages[0]["content"] if messages[0]["role"] == "system" else None


def message_in(conversation: Conversation, text: str = "Now?", **more: Any) -> Draft:
    return Draft(user_id=conversation.user_id, text=text, place=end_of(conversation), **more)


def test_all_instructions_are_one_system_message_in_their_order(
    alice: User, conversation: Conversation
) -> None:
    assert told(message_in(conversation)) is None
    set_up(
        conversation=conversation,
        setup=Setup("The chat's.", make_preset(alice, instructions="The preset's.").pk),
    )
    save_account_instructions(user_id=alice.pk, text="\x00 The account's.\r\n")
    set_house_rule("The house rule.")
    conversation.refresh_from_db()
    client = [Message(role="system", content="The client's.")]
    assert told(message_in(conversation, client_messages=client)) == (
        "The house rule.\n\nThe account's.\n\nThe preset's.\n\nThe chat's.\n\nThe client's."
    )


def test_a_chat_that_begins_is_told_what_it_is_set_up_with(alice: User, bob: User) -> None:
    preset = make_preset(alice, instructions="Rhyme.")
    draft = Draft(user_id=alice.pk, text="Hi", beginning=Beginning(Setup("Be brief.", preset.pk)))
    assert told(draft) == "Rhyme.\n\nBe brief."
    turn, _ = start_turn(draft, text_model(), idempotency_key=uuid4().hex)
    turn.conversation.refresh_from_db()
    assert (turn.conversation.instructions, turn.conversation.preset) == ("Be brief.", preset)


@pytest.mark.parametrize("gone", [True, False])
def test_a_preset_of_others_or_one_that_is_deleted_counts_as_none(
    alice: User, bob: User, *, gone: bool
) -> None:
    preset = make_preset(bob, instructions="Rhyme.", temperature=1.5)
    key = uuid4() if gone else preset.pk
    draft = Draft(user_id=alice.pk, text="Hi", beginning=Beginning(Setup(preset_id=key)))
    assert told(draft) is None
    assert told_in(draft).temperature is None
    turn, _ = start_turn(draft, text_model(), idempotency_key=uuid4().hex)
    assert Conversation.objects.get(pk=turn.conversation_id).preset is None
    assert find_preset(preset.pk, user_id=alice.pk) is None
    with pytest.raises(InvalidSetup):
        set_up(conversation=turn.conversation, setup=Setup(preset_id=key))


def test_published_presets_are_for_everybody_until_they_are_deleted(
    alice: User, conversation: Conversation
) -> None:
    preset = make_preset(instructions="Rhyme.")
    assert find_preset(preset.pk, user_id=alice.pk) == preset
    set_up(conversation=conversation, setup=Setup(preset_id=preset.pk))
    conversation.refresh_from_db()
    assert told(message_in(conversation)) == "Rhyme."
    delete_preset(preset=preset)
    conversation.refresh_from_db()
    assert told(message_in(conversation)) is None


@pytest.mark.parametrize(
    ("own", "of_preset", "sent"), [(None, None, None), (None, 1.5, 1.5), (0.0, 1.5, 0.0)]
)
def test_the_chat_s_temperature_goes_before_the_preset_s(
    alice: User, conversation: Conversation, own: float, of_preset: float, sent: float
) -> None:
    preset = make_preset(alice, temperature=of_preset)
    set_up(conversation=conversation, setup=Setup("", preset.pk, own))
    conversation.refresh_from_db()
    assert history(message_in(conversation), text_model()).temperature == sent


def test_the_house_rule_is_sent_whole_however_much_follows(
    alice: User, conversation: Conversation, settings: Any
) -> None:
    settings.HISTORY_MAX_CHARACTERS = 2_000
    rule = "Rule. " * 100
    set_house_rule(rule.strip())
    save_account_instructions(user_id=alice.pk, text="a" * MAX_CHARACTERS)
    text = told(message_in(conversation, "Now?"))
    assert text.startswith(rule.strip() + "\n\na")
    assert len(text) <= 2_000 - LEAST_CHARACTERS
    assert " […] " in text


def test_a_conversation_has_the_room_that_instructions_leave(
    alice: User, conversation: Conversation, settings: Any
) -> None:
    settings.HISTORY_MAX_CHARACTERS = 3_000
    make_turn(conversation, "First?", "a" * 1_000)
    last = make_turn(conversation, "Last?", "b" * 1_000)
    everything = history(message_in(conversation), text_model()).messages
    assert everything[0]["content"] == "First?"
    assert known_from(conversation, text_model()) is None
    save_account_instructions(user_id=alice.pk, text="c" * 1_500)
    messages = history(message_in(conversation), text_model()).messages
    assert [message["content"] for message in messages[1:2]] == ["Last?"]
    known = known_from(conversation, text_model())
    assert known and (known.turn_id, known.forgets) == (last.pk, True)
    assert sum(len(str(each["content"])) for each in messages) <= room_for(text_model())


def test_the_button_the_quote_and_the_call_count_the_same(
    alice: User, conversation: Conversation
) -> None:
    name = price_by_tokens().model.name
    model = get_model(name, feature=TEXT, user_id=alice.pk)
    draft = message_in(conversation)
    before = quote_message(draft, model).asked.input_bound
    set_house_rule("é" * 300)
    quote = quote_message(draft, model)
    offer = get_offer(user_id=alice.pk, model=name, draft=draft)
    assert quote.asked.input_bound >= before + 600
    assert offer.quote and offer.quote.asked == quote.asked


@pytest.mark.parametrize("text", ["", " \n\x00", "\u200b"])
def test_what_shows_nothing_is_no_instruction(alice: User, text: str) -> None:
    save_account_instructions(user_id=alice.pk, text="Something")
    save_account_instructions(user_id=alice.pk, text=text)
    assert told(Draft(user_id=alice.pk, text="Hi")) is None


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"instructions": "x" * (MAX_CHARACTERS + 1)},
            "at most 4,000 characters; these have",
        ),
        ({"name": ""}, "1 to 60 characters"),
        ({"name": "a\u202eb"}, "1 to 60 characters"),
        ({"temperature": 2.1}, "from 0 to 2"),
        ({"temperature": float("nan")}, "from 0 to 2"),
        ({"name": "Taken"}, "of this name already"),
    ],
)
def test_a_preset_that_cannot_be_kept_is_refused_with_its_reason(
    alice: User, values: dict[str, Any], sentence: str
) -> None:
    make_preset(alice, name="Taken")
    with pytest.raises(InvalidSetup, match=sentence):
        make_preset(alice, **values)


def test_nobody_keeps_presets_without_end(alice: User) -> None:
    Preset.objects.bulk_create(Preset(user=alice, name=str(n)) for n in range(MOST_PRESETS))
    with pytest.raises(InvalidSetup, match="100 presets already"):
        make_preset(alice)
