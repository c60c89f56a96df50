"""Answers in a chat that come to nothing by what was asked for, although something of them was
shown: free so often an hour, with those of /v1, then charged."""

from typing import Any

import pytest

from ai_chat.api.problems import refund_sentence
from ai_chat.conversations.drafts import Draft
from ai_chat.conversations.history import history
from ai_chat.conversations.path import end_of
from ai_chat.jobs.ending import FREE_ANSWERS
from ai_chat.models import Turn
from ai_chat.providers.errors import ProviderError
from ai_chat.providers.pieces import Alive, End, Finish, Reasoning, Text, Usage
from credits.ledger import get_balance
from credits.models import User
from credits.reasons import Reason
from tests.ai_chat.jobs.scripted import Step, Wait, begin_turn, ended
from tests.ai_chat.tokens import assert_paid_exactly, price_by_tokens
from tests.ai_chat.turns import text_model
from tests.clock import Clock

pytestmark = pytest.mark.usefixtures("scripted")

THOUGHT, STOP = Reasoning("Let me think."), End(Finish.STOP)
#: What is shown, and the failure that it is.
NOTHING: list[tuple[list[Step], Reason]] = [
    ([THOUGHT, STOP], Reason.EMPTY_ANSWER),
    ([THOUGHT, End(Finish.LENGTH)], Reason.LENGTH_USED_UP),
    ([Text("Half an ans"), ProviderError(Reason.REFUSED)], Reason.REFUSED),
    ([THOUGHT, ProviderError(Reason.UNKNOWN_END)], Reason.UNKNOWN_END),
]
#: What was not shown, or is not what was asked for.
FREE: list[list[Step]] = [
    [STOP],
    [Alive(), ProviderError(Reason.REFUSED)],
    [THOUGHT, ProviderError(Reason.CUT_OFF)],
    [Text("Half an ans"), ProviderError(Reason.PROVIDER_ERROR)],
]


def use_up(user: User) -> None:
    for number in range(FREE_ANSWERS):
        steps, failure = NOTHING[number % len(NOTHING)]
        turn = ended(begin_turn(user, *steps))
        assert (turn.state, turn.failure, turn.charged) == (Turn.State.FAILED, failure, 0)


def test_what_comes_to_nothing_by_what_was_asked_is_free_ten_times_an_hour(
    alice: User, bob: User, clock: Clock
) -> None:
    clock.freeze()
    use_up(alice)
    assert get_balance(user_id=alice.pk)[:2] == (100, 0)
    for cost, (steps, _) in enumerate(NOTHING, 1):
        turn = ended(begin_turn(alice, *steps))
        assert (turn.state, turn.failure) == (Turn.State.FAILED, Reason.ANSWERS_USED_UP)
        assert (turn.charged, turn.came_back) == (1, False)
        assert get_balance(user_id=alice.pk)[:2] == (100 - cost, 0)
    assert refund_sentence(turn) == (
        "Nothing came of what was asked; free answers of this hour are used up."
    )
    steps, _ = NOTHING[0]
    assert ended(begin_turn(bob, *steps)).charged == 0, "Each user has answers of their own."
    clock.move(hours=1)
    assert ended(begin_turn(alice, *steps)).charged == 0


def test_what_the_provider_breaks_off_is_always_free(alice: User) -> None:
    use_up(alice)
    for steps in FREE:
        turn = ended(begin_turn(alice, *steps))
        assert (turn.state, turn.charged, turn.came_back) == (Turn.State.FAILED, 0, True)
    assert get_balance(user_id=alice.pk)[:2] == (100, 0)


def test_thinking_up_to_our_own_time_limit_counts(alice: User, settings: Any) -> None:
    use_up(alice)
    settings.ANSWER_SECONDS = 1
    turn = ended(begin_turn(alice, THOUGHT, Wait()))
    assert (turn.failure, turn.charged) == (Reason.ANSWERS_USED_UP, 1)


def test_by_tokens_what_was_used_is_charged(alice: User) -> None:
    price_by_tokens()
    use_up(alice)
    turn = ended(begin_turn(alice, THOUGHT, STOP, Usage(10, 0, 0, 50, 50)))
    assert turn.failure == Reason.ANSWERS_USED_UP
    assert turn.use
    assert (turn.use.input, turn.use.output) == (10, 50)
    assert int(turn.use.collected) > 0
    assert "refunded" not in refund_sentence(turn), "The rest of the reserve is no refund."
    assert_paid_exactly(alice)


def test_a_question_that_was_charged_for_nothing_is_not_sent_again(alice: User) -> None:
    use_up(alice)
    steps, _ = NOTHING[2]
    turn = ended(begin_turn(alice, *steps))
    turn.conversation.refresh_from_db()
    draft = Draft(user_id=alice.pk, text="And now?", place=end_of(turn.conversation))
    assert [each["content"] for each in history(draft, text_model()).messages] == ["And now?"]
