"""How providers fail is logged and counted, and never disturbs a job."""

import logging
from datetime import timedelta

import pytest
from django.db import DatabaseError
from django.db.models import F

from ai_chat.jobs import failures
from ai_chat.jobs.failures import look
from ai_chat.jobs.running import stop_job
from ai_chat.models import ProviderFailure
from ai_chat.providers.errors import ProviderError
from ai_chat.providers.pieces import End, Finish, Piece, Reasoning, Text
from credits.ledger import get_balance
from credits.models import User
from credits.reasons import Reason
from tests.ai_chat.jobs.scripted import Step, Wait, begin_turn, ended
from tests.ai_chat.turns import MODEL

pytestmark = pytest.mark.usefixtures("scripted", "nothing_known")
HELLO: list[Piece] = [Text("Hello"), End(Finish.STOP)]
QUOTA = ProviderError(Reason.QUOTA, status=429, code="insufficient_quota")


@pytest.fixture
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test arranges is not changed by the supervisor, which looks whenever it wakes."""
    monkeypatch.setattr(failures, "look", lambda: None)
    monkeypatch.setattr(failures, "_failing", set())


def fail(user: User, error: Exception) -> None:
    ended(begin_turn(user, error))


def test_failures_of_one_kind_are_counted_together(alice: User) -> None:
    for error in (QUOTA, QUOTA, ProviderError(Reason.QUOTA), ProviderError(Reason.BUSY)):
        fail(alice, error)
    counted = ProviderFailure.objects.values_list("reason", "status", "code", "count")
    assert set(counted) == {
        ("provider_quota", 429, "insufficient_quota", 2),
        ("provider_quota", None, "", 1),
        ("provider_busy", None, "", 1),
    }
    assert set(ProviderFailure.objects.values_list("model", "provider")) == {(MODEL, "default")}


def test_the_next_good_answer_ends_them_and_the_next_failure_begins_anew(alice: User) -> None:
    fail(alice, QUOTA)
    ProviderFailure.objects.update(since=F("since") - timedelta(hours=1))
    begun = ProviderFailure.objects.get().since
    fail(alice, QUOTA)
    failure = ProviderFailure.objects.get()
    assert (failure.since, failure.recovered_at) == (begun, None)
    assert failure.latest_at > failure.since
    ended(begin_turn(alice, *HELLO))
    recovered_at = ProviderFailure.objects.get().recovered_at
    assert recovered_at and recovered_at > failure.latest_at
    ended(begin_turn(alice, *HELLO))
    assert ProviderFailure.objects.get().recovered_at == recovered_at
    fail(alice, QUOTA)
    failure = ProviderFailure.objects.get()
    assert (failure.count, failure.recovered_at) == (3, None)
    assert failure.since > recovered_at


def test_what_failed_in_another_process_ends_too(alice: User) -> None:
    fail(alice, QUOTA)
    failures._failing.clear()
    ended(begin_turn(alice, *HELLO))
    look()
    assert failures._failing == {(MODEL, "default")}
    ended(begin_turn(alice, *HELLO))
    assert ProviderFailure.objects.get().recovered_at
    failures._failing.add(("elsewhere", "recovered"))
    look()
    assert failures._failing == set()


def test_answers_that_are_none_are_counted_and_stops_are_not(alice: User) -> None:
    nothing: list[list[Step]] = [[Reasoning("Hm"), End(Finish.LENGTH)], [End(Finish.STOP)]]
    for steps in nothing:
        ended(begin_turn(alice, *steps))
    turn = begin_turn(alice, Wait())
    stop_job(turn)
    ended(turn)
    reasons = ProviderFailure.objects.values_list("reason", flat=True)
    assert set(reasons) == {Reason.LENGTH_USED_UP, Reason.EMPTY_ANSWER}


def test_the_log_says_who_failed_and_how(alice: User, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "ai_chat"):
        turn = ended(begin_turn(alice, Text("Secret"), QUOTA))
    assert (
        f"turn {turn.pk} failed: model={MODEL} provider=default reason=provider_quota status=429"
        " code=insufficient_quota"
    ) in caplog.text
    assert "Secret" not in caplog.text


def test_a_database_that_does_not_answer_disturbs_nobody(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise DatabaseError

    monkeypatch.setattr(failures, "_execute", refuse)
    fail(alice, QUOTA)
    assert get_balance(user_id=alice.pk)[:2] == (100, 0)
    turn = ended(begin_turn(alice, *HELLO))
    assert (turn.charged, turn.remaining) == (1, 99)
