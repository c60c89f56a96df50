"""A second model takes over when the provider of the first is down, before the first piece."""

import threading
from typing import Any

import pytest

from ai_chat.jobs.running import find_run, stop_job
from ai_chat.models import ProviderFailure, Turn
from ai_chat.providers.errors import DOWN, ProviderError
from ai_chat.providers.pieces import Alive, End, Finish, Reasoning, Text
from credits.catalogue.models import fill_catalogue
from credits.ledger import get_balance
from credits.models import AIModel, Hold, UsageHistory, User
from credits.reasons import Reason
from tests.ai_chat.jobs.scripted import ScriptedStream, Wait, begin_turn, ended
from tests.ai_chat.turns import MODEL
from tests.waiting import wait_for

FIRST, SECOND = MODEL, "second"
UNREACHABLE = ProviderError(Reason.UNREACHABLE)
HELLO = (Text("Hello"), End(Finish.STOP))
pytestmark = pytest.mark.usefixtures("second")


@pytest.fixture
def second(scripted: type[ScriptedStream]) -> AIModel:
    """Stands in for the first model; it costs more, and answers."""
    fill_catalogue()
    first = AIModel.objects.get(name=FIRST)
    second = AIModel.objects.create(
        name=SECOND, label="Second", feature=first.feature, provider=first.provider,
        provider_model="second", price_factor=5, position=9,
    )  # fmt: skip
    AIModel.objects.filter(pk=first.pk).update(fallback=second)
    scripted.scripts[SECOND] = HELLO
    return second


def came(turn: Turn) -> tuple[str, str, str, int]:
    """What was answered, by whom, why it failed, and what it cost."""
    turn = Turn.with_receipt().get(pk=ended(turn).pk)
    return turn.answer, turn.answered_by, turn.failure, turn.charged


def test_it_takes_over_when_the_provider_is_down(alice: User, subtests: pytest.Subtests) -> None:
    for reason in DOWN:
        with subtests.test(reason.name):
            turn = begin_turn(alice, ProviderError(reason, status=500, code="down"))
            assert came(turn) == ("Hello", SECOND, "", 1)
            assert ScriptedStream.calls[-2:] == [FIRST, SECOND]
            failure = ProviderFailure.objects.get(model=FIRST, reason=reason)
            assert (failure.count, failure.status, failure.code) == (1, 500, "down")
            assert failure.recovered_at is None
    assert UsageHistory.objects.filter(account_id=alice.pk, unit_cost__isnull=False).count() == len(
        DOWN
    )
    assert get_balance(user_id=alice.pk)[:2] == (100 - len(DOWN), 0)


def test_it_takes_over_after_a_sign_of_life_without_content(alice: User) -> None:
    assert came(begin_turn(alice, Alive(), UNREACHABLE)) == ("Hello", SECOND, "", 1)


def test_it_takes_over_when_the_first_sign_of_life_does_not_come(
    alice: User, settings: Any
) -> None:
    settings.FIRST_TOKEN_SECONDS = 1
    turn = begin_turn(alice, Wait())
    assert came(turn) == ("Hello", SECOND, "", 1)
    assert ProviderFailure.objects.get().reason == Reason.TIMEOUT


def test_it_does_not_take_over_an_answer_that_has_begun(alice: User) -> None:
    for piece in (Text("Hel"), Reasoning("Hm")):
        answer = piece.text if isinstance(piece, Text) else ""
        turn = begin_turn(alice, piece, UNREACHABLE)
        assert came(turn) == (answer, "", Reason.UNREACHABLE, 0)
    assert ScriptedStream.calls == [FIRST, FIRST]


def test_it_does_not_take_over_what_it_could_not_do_better(alice: User) -> None:
    for reason in (Reason.REFUSED, Reason.CONTEXT_TOO_LONG, Reason.UNREADABLE):
        assert came(begin_turn(alice, ProviderError(reason))) == ("", "", reason, 0)
    assert came(begin_turn(alice, End(Finish.STOP))) == ("", "", Reason.EMPTY_ANSWER, 0)
    assert SECOND not in ScriptedStream.calls


def test_it_does_not_take_over_when_the_time_is_up(alice: User, settings: Any) -> None:
    settings.ANSWER_SECONDS = 1
    assert came(begin_turn(alice, Wait())) == ("", "", Reason.TIMEOUT, 0)
    assert SECOND not in ScriptedStream.calls


def test_a_retired_one_does_not_take_over(alice: User, second: AIModel) -> None:
    AIModel.objects.filter(pk=second.pk).update(active=False)
    assert came(begin_turn(alice, UNREACHABLE)) == ("", "", Reason.UNREACHABLE, 0)


def test_there_is_one_hop_only(alice: User, second: AIModel) -> None:
    AIModel.objects.filter(pk=second.pk).update(fallback=AIModel.objects.get(name=FIRST))
    ScriptedStream.scripts[SECOND] = [ProviderError(Reason.BUSY)]
    assert came(begin_turn(alice, UNREACHABLE)) == ("", SECOND, Reason.BUSY, 0)
    assert ScriptedStream.calls == [FIRST, SECOND]
    counted = ProviderFailure.objects.values_list("model", "reason")
    assert set(counted) == {(FIRST, Reason.UNREACHABLE), (SECOND, Reason.BUSY)}


def test_a_stop_reaches_the_one_that_took_over(alice: User) -> None:
    ScriptedStream.scripts[SECOND] = [Text("Hel"), Wait()]
    turn = begin_turn(alice, UNREACHABLE)
    run = find_run(turn.pk)
    assert run
    wait_for(lambda: run.text() == "Hel", "the second model's first piece")
    stop_job(turn)
    assert came(turn) == ("Hel", SECOND, "", 1)


def test_what_the_first_sends_too_late_is_not_shown(alice: User) -> None:
    turn = begin_turn(alice, Wait())
    run = find_run(turn.pk)
    assert run
    first = run.work
    ScriptedStream.scripts[SECOND] = [Text("Hel"), Wait()]
    run.interrupt(UNREACHABLE)
    wait_for(lambda: run.text() == "Hel", "the second model's first piece")
    assert not run._publish(first, Text("late"))
    stop_job(turn)
    assert came(turn)[0] == "Hel"


def test_it_has_the_lease_of_a_whole_job(alice: User) -> None:
    turn = begin_turn(alice, Wait())
    before = Hold.objects.get().lease_until
    run = find_run(turn.pk)
    assert run
    ScriptedStream.scripts[SECOND] = [Text("Hel"), Wait()]
    run.interrupt(UNREACHABLE)
    wait_for(lambda: Hold.objects.get().lease_until > before, "the lease to be lengthened")
    stop_job(turn)
    ended(turn)


def test_the_first_ones_failure_ends_the_job_when_there_is_no_thread_for_the_second(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = begin_turn(alice, Wait())
    run = find_run(turn.pk)
    assert run

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    run.interrupt(UNREACHABLE)
    monkeypatch.undo()
    assert run.ended.is_set()
    assert came(turn)[2:] == (Reason.UNREACHABLE, 0)
