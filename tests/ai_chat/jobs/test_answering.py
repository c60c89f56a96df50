"""What an answer comes to, by what its provider sends: a test for every row of the table."""

from typing import Any

import pytest

from ai_chat.jobs.following import Following
from ai_chat.jobs.running import find_run, stop_job
from ai_chat.models import Turn
from ai_chat.providers.errors import ProviderError
from ai_chat.providers.pieces import Alive, End, Finish, Piece, Reasoning, Text, Usage
from credits.ledger import get_balance
from credits.models import User
from credits.reasons import Reason
from tests.ai_chat.jobs.scripted import Step, Wait, begin_turn, ended
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("scripted")

State, Cut = Turn.State, Turn.Cut
STOP, LENGTH = End(Finish.STOP), End(Finish.LENGTH)
DOWN = ProviderError(Reason.UNREACHABLE, retry_seconds=7)
CUT_OFF = ProviderError(Reason.CUT_OFF)

#: What comes, and the state, failure, mark and credits that it comes to.
OUTCOMES: list[tuple[list[Step], tuple[str, str, str, int]]] = [
    ([Text("Hello"), STOP], (State.ANSWERED, "", "", 1)),
    ([Text("Hello"), STOP, Usage(1, 0, 0, 1, 0)], (State.ANSWERED, "", "", 1)),
    ([Reasoning("Hm"), Text("Hello"), STOP], (State.ANSWERED, "", "", 1)),
    ([Text("4."), STOP], (State.ANSWERED, "", "", 1)),
    ([Text("Hello"), STOP, CUT_OFF], (State.ANSWERED, "", "", 1)),
    ([Text("Hello"), LENGTH], (State.ANSWERED, "", Cut.LENGTH, 1)),
    ([Text("Half an ans"), CUT_OFF], (State.FAILED, Reason.CUT_OFF, "", 0)),
    ([DOWN], (State.FAILED, Reason.UNREACHABLE, "", 0)),
    ([Text("Hello"), ZeroDivisionError()], (State.FAILED, Reason.PROVIDER_ERROR, "", 0)),
    ([Reasoning("Hm"), LENGTH], (State.FAILED, Reason.LENGTH_USED_UP, "", 0)),
    ([Text("\u200b"), LENGTH], (State.FAILED, Reason.LENGTH_USED_UP, "", 0)),
    ([Reasoning("Hm"), STOP], (State.FAILED, Reason.EMPTY_ANSWER, "", 0)),
    ([STOP], (State.FAILED, Reason.EMPTY_ANSWER, "", 0)),
    ([Text(" \n"), STOP], (State.FAILED, Reason.EMPTY_ANSWER, "", 0)),
    ([Text("\u200b\ufeff\u00ad"), STOP], (State.FAILED, Reason.EMPTY_ANSWER, "", 0)),
    ([Text("```\n"), Text("```"), STOP], (State.FAILED, Reason.EMPTY_ANSWER, "", 0)),
]


def test_an_answer_comes_to_what_the_table_says(alice: User, subtests: pytest.Subtests) -> None:
    for steps, (state, failure, cut, cost) in OUTCOMES:
        with subtests.test(str(steps)):
            before = get_balance(user_id=alice.pk).remaining
            turn = ended(begin_turn(alice, *steps))
            stored = Turn.with_receipt().get(pk=turn.pk)
            for each in (turn, stored):
                assert (each.state, each.failure, each.cut) == (state, failure, cut)
                assert each.charged == cost
                assert each.answer == written(steps, Text)
                assert each.reasoning == written(steps, Reasoning)
            assert get_balance(user_id=alice.pk)[:2] == (before - cost, 0)


def written(steps: list[Step], kind: type[Text] | type[Reasoning]) -> str:
    return "".join(step.text for step in steps if isinstance(step, kind))


def wait_until_written(turn: Turn, text: str) -> None:
    run = find_run(turn.pk)
    assert run
    wait_for(lambda: run.text() + run.reasoning() == text, "what comes first")


def test_when_to_come_back_is_handed_over(alice: User) -> None:
    assert ended(begin_turn(alice, DOWN)).retry_seconds == 7
    assert ended(begin_turn(alice, CUT_OFF)).retry_seconds is None
    assert ended(begin_turn(alice, Text("Hello"), STOP)).retry_seconds is None


def test_our_time_limit_is_not_the_providers_failure(alice: User, settings: Any) -> None:
    settings.ANSWER_SECONDS = 1
    turn = ended(begin_turn(alice, Text("All that came"), Wait()))
    assert (turn.state, turn.failure, turn.cut) == (State.ANSWERED, "", Cut.TIME)
    assert (turn.answer, turn.charged) == ("All that came", 1)
    for piece in (Reasoning("Hm"), Text("\u200b"), Alive()):
        turn = ended(begin_turn(alice, piece, Wait()))
        assert (turn.state, turn.failure, turn.cut) == (State.FAILED, Reason.TIMEOUT, "")
        assert turn.charged == 0


def test_silence_is_the_providers_failure(alice: User, settings: Any) -> None:
    settings.SILENCE_SECONDS = 1
    settings.FIRST_TOKEN_SECONDS = 60
    for piece in (Text("Half"), Reasoning("Hm"), Alive()):
        turn = ended(begin_turn(alice, piece, Wait()))
        assert (turn.state, turn.failure, turn.charged) == (State.FAILED, Reason.TIMEOUT, 0)


def test_no_sign_of_life_is_the_providers_failure(alice: User, settings: Any) -> None:
    settings.SILENCE_SECONDS = 60
    settings.FIRST_TOKEN_SECONDS = 1
    turn = ended(begin_turn(alice, Wait()))
    assert (turn.state, turn.failure, turn.charged) == (State.FAILED, Reason.TIMEOUT, 0)


def test_every_piece_is_a_sign_of_life(alice: User) -> None:
    turn = begin_turn(alice, Wait())
    run = find_run(turn.pk)
    assert run
    first = run.overdue_at
    assert first == pytest.approx(run.leased_at + 60, abs=1)
    pieces: list[Piece] = [Alive(), Reasoning("Hm"), Text("Yes"), Usage(1, 0, 0, 1, 0)]
    for moment, piece in enumerate(pieces, start=1):
        run._latest = run.leased_at - moment
        assert run.overdue_at < first
        assert run._publish(run.work, piece)
        assert run.overdue_at == run._latest + 30 >= run.leased_at + 30
    run.stop()
    ended(turn)


def test_an_answer_that_is_whole_ends_although_its_connection_stays_open(alice: User) -> None:
    turn = ended(begin_turn(alice, Text("Hello"), STOP, Wait()))
    assert (turn.state, turn.failure, turn.cut, turn.charged) == (State.ANSWERED, "", "", 1)
    turn = begin_turn(alice, Text("Hello"), STOP, Wait())
    pieces = iter(Following(turn, heartbeat=10))
    assert next(pieces) == Text("Hello")
    stop_job(turn)
    assert ended(turn).state == State.ANSWERED, "There is nothing left to stop."


def test_more_than_an_answer_may_hold_is_cut_and_marked(alice: User, settings: Any) -> None:
    settings.ANSWER_MAX_CHARACTERS = 5
    turn = ended(begin_turn(alice, Text("Hel"), Text("lo!"), Wait()))
    assert (turn.answer, turn.cut, turn.charged) == ("Hello", Cut.LENGTH, 1)
    turn = ended(begin_turn(alice, Text("Hello"), STOP))
    assert (turn.answer, turn.cut) == ("Hello", "")
    thoughts = Reasoning("Hm, "), Reasoning("hm, hm"), Reasoning("hm")
    turn = ended(begin_turn(alice, *thoughts, Text("Hello"), STOP))
    assert (turn.reasoning, turn.answer, turn.cut) == ("Hm, h", "Hello", "")


def test_a_stop_costs_nothing_before_the_first_visible_text(alice: User) -> None:
    stops: list[tuple[list[Step], int]] = [
        ([], 0),
        ([Reasoning("Hm")], 0),
        ([Text(" \u200b")], 0),
        ([Text("A")], 1),
    ]
    for steps, cost in stops:
        turn = begin_turn(alice, *steps, Wait())
        wait_until_written(turn, written(steps, Text) + written(steps, Reasoning))
        stop_job(turn)
        turn = ended(turn)
        assert (turn.state, turn.charged) == (State.STOPPED, cost)
        assert turn.failure == ("" if cost else Reason.STOPPED_EARLY)
