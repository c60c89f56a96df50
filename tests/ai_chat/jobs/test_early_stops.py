"""Stops before the answer began: free so often an hour, then they cost."""

from typing import Any

import pytest
from django.db import OperationalError

from ai_chat.api.problems import refund_sentence
from ai_chat.jobs import ending, running
from ai_chat.jobs.ending import FREE_STOPS, Outcome, end_job
from ai_chat.jobs.running import stop_job
from ai_chat.models import Turn
from credits.ledger import get_balance
from credits.models import User
from credits.reasons import Reason
from tests.ai_chat.jobs.scripted import Wait, begin_turn, ended
from tests.clock import Clock

pytestmark = pytest.mark.usefixtures("scripted")


def stopped(user: User) -> Turn:
    turn = begin_turn(user, Wait())
    stop_job(turn)
    return ended(turn)


def test_early_stops_are_free_ten_times_an_hour(alice: User, bob: User, clock: Clock) -> None:
    clock.freeze()
    for _ in range(FREE_STOPS):
        turn = stopped(alice)
        assert (turn.failure, turn.charged) == (Reason.STOPPED_EARLY, 0)
    assert get_balance(user_id=alice.pk)[:2] == (100, 0)
    turn = stopped(alice)
    assert (turn.state, turn.failure) == (Turn.State.STOPPED, Reason.STOPS_USED_UP)
    assert (turn.charged, turn.refund) == (1, None)
    assert refund_sentence(turn) == (
        "Stopped before the answer began; free stops of this hour are used up."
    )
    assert get_balance(user_id=alice.pk)[:2] == (99, 0)
    assert stopped(bob).charged == 0, "Each user has stops of their own."
    clock.move(hours=1)
    assert stopped(alice).charged == 0


def test_an_ending_that_is_repeated_counts_once(alice: User, monkeypatch: Any) -> None:
    tries: list[Any] = []

    def end_and_lose_the_answer(*args: Any) -> Any:
        tries.append(end_job(*args))
        if len(tries) == 1:
            raise OperationalError("the answer was lost")
        return tries[-1]

    monkeypatch.setattr(running, "end_job", end_and_lose_the_answer)
    monkeypatch.setattr(ending, "FREE_STOPS", 2)
    assert stopped(alice).charged == 0
    assert len(tries) == 2
    assert [stopped(alice).charged for _ in range(2)] == [0, 1]


def test_a_stop_after_a_delivered_unit_is_not_counted(alice: User, monkeypatch: Any) -> None:
    monkeypatch.setattr(ending, "FREE_STOPS", 1)
    assert stopped(alice).failure == Reason.STOPPED_EARLY
    turn = begin_turn(alice, Wait())
    outcome = Outcome(Turn.State.STOPPED, Reason.STOPPED_EARLY, delivered=1)
    job, _ = end_job(turn, outcome, lambda _lost: {})
    assert job and job.failure == Reason.STOPPED_EARLY
    ended(turn)
