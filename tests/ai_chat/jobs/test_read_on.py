"""An answer that we cut is read on for its count where the model hides what it thinks: that is no
silence of the provider."""

from collections.abc import Iterator
from typing import Any

import pytest

from ai_chat.conversations.turns import answer_turn
from ai_chat.models import Turn
from ai_chat.providers.bounds import asked_of, size_of
from ai_chat.providers.chat import Message
from credits.catalogue.models import get_model
from credits.features import TEXT
from credits.models import Provider, User
from tests.ai_chat.jobs.scripted import ended
from tests.ai_chat.providers.test_provider_faults import DONE, STOP, said, usage
from tests.ai_chat.tokens import assert_paid_exactly, price_by_tokens
from tests.ai_chat.turns import MODEL, charge_turn
from tests.fakes.scripted import Pieces, ScriptedProvider, serve


@pytest.fixture
def wire() -> Iterator[ScriptedProvider]:
    with serve(ScriptedProvider()) as provider:
        yield provider


def test_an_answer_that_is_cut_waits_for_its_count(
    transactional_db: None, wire: ScriptedProvider, alice: User, settings: Any
) -> None:
    settings.SILENCE_SECONDS, settings.ANSWER_MAX_CHARACTERS = 1, 10
    price_by_tokens(hides_reasoning=True)
    Provider.objects.update(base_url=wire.base_url)
    wire.answer = Pieces([said("x" * 20), 2.5, STOP, usage(20, 70), DONE])
    model = get_model(MODEL, feature=TEXT, user_id=alice.pk)
    messages: list[Message] = [{"role": "user", "content": "Hi"}]
    turn = charge_turn(alice, model=model, asked=asked_of(model, size_of(messages)))
    answer_turn(turn, model, messages)
    turn = ended(turn)
    assert (turn.state, turn.cut, turn.answer) == (Turn.State.ANSWERED, "length", "x" * 10)
    assert turn.use
    assert (turn.use.source, turn.use.output) == ("provider", 70)
    assert_paid_exactly(alice)
