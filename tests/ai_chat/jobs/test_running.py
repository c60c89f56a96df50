"""A job in the process that does it: its text is saved as it comes, its end decided once."""

import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from ai_chat.jobs import supervision
from ai_chat.jobs.ending import Outcome
from ai_chat.jobs.following import Following, wait
from ai_chat.jobs.running import Run, find_run, stop_job
from ai_chat.jobs.supervision import begin
from ai_chat.jobs.work import Bounds, Stopped, Work
from ai_chat.models import Turn
from ai_chat.providers.errors import ProviderError
from ai_chat.providers.pieces import Piece, Text
from config.errors import Busy
from credits.ledger import get_balance
from credits.models import AIModel, Hold, User
from credits.reasons import Reason
from tests.ai_chat.turns import charge_turn, text_model
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


class Scripted(Work[Turn]):
    """Writes what `say` is given until `finish`, however often it is cancelled."""

    def __init__(self, job: Turn, model: AIModel) -> None:
        super().__init__(job, model)
        self.finish = threading.Event()
        self.cancelled = threading.Event()
        self.publish: Callable[[Piece], bool] = lambda _: False

    def perform(self, publish: Callable[[Piece], bool]) -> None:
        self.publish = publish
        self.finish.wait(60)

    def cancel(self) -> None:
        self.cancelled.set()

    def outcome(self, cause: Exception | None, text: str) -> Outcome:
        if isinstance(cause, ProviderError):
            return Outcome(Turn.State.FAILED, cause.reason, delivered=0)
        return Outcome(Turn.State.STOPPED if isinstance(cause, Stopped) else Turn.State.ANSWERED)

    def keep(self, text: str, reasoning: str, *, lost: bool) -> Mapping[str, Any]:
        return {"answer": text, "reasoning": reasoning}


def new_work(user: User) -> Scripted:
    return Scripted(charge_turn(user), text_model())


@pytest.fixture
def work(alice: User) -> Iterator[Scripted]:
    work = new_work(alice)
    yield work
    work.finish.set()
    if run := find_run(work.job.pk):
        run.ended.wait(60)


def say(work: Scripted, text: str) -> None:
    wait_for(lambda: work.publish(Text(text)), "the work to begin")


def saved(work: Scripted) -> str:
    return Turn.objects.get(pk=work.job.pk).answer


def test_what_is_written_is_saved_by_and_by_and_whole_at_the_end(work: Scripted) -> None:
    run = begin(work)
    say(work, "One ")
    wait_for(lambda: saved(work) == "One ", "the first save")
    say(work, "two 😀 ")
    wait_for(lambda: saved(work) == "One two 😀 ", "the second save")
    say(work, "three")
    work.finish.set()
    ended = wait(work.job)
    assert ended and run.job is ended
    assert (ended.state, ended.answer, ended.remaining) == (
        Turn.State.ANSWERED,
        "One two 😀 three",
        99,
    )
    assert (saved(work), find_run(work.job.pk)) == ("One two 😀 three", None)
    assert work.job.is_running, "The job as it began is what others may be showing."


def test_a_save_whose_answer_was_lost_is_not_repeated(work: Scripted) -> None:
    run: Run[Turn] = Run(work)
    run._publish(work, Text("One "))
    supervision._save({work.job.pk: run})
    run._publish(work, Text("two "))
    supervision._save({work.job.pk: run})
    run.saved = 4  # As before the second save.
    run._publish(work, Text("three"))
    supervision._save({work.job.pk: run})
    assert saved(work) == "One two "
    supervision._save({work.job.pk: run})
    assert saved(work) == "One two three"


def test_nothing_is_appended_to_an_ended_job_and_its_work_is_stopped(work: Scripted) -> None:
    run = begin(work)
    say(work, "One ")
    Turn.objects.filter(pk=work.job.pk).update(state=Turn.State.FAILED, answer="Kept")
    run.ended.wait(60)
    assert work.cancelled.is_set()
    assert saved(work) == "Kept"
    Turn.objects.filter(pk=work.job.pk).update(state=Turn.State.RUNNING)  # Its hold is open.


def test_a_stop_asked_for_elsewhere_arrives(work: Scripted) -> None:
    run = begin(work)
    say(work, "One ")
    Turn.objects.filter(pk=work.job.pk).update(stop_requested=True)
    run.ended.wait(60)
    assert run.job and (run.job.state, run.job.answer) == (Turn.State.STOPPED, "One ")
    assert not work.publish(Text("two")), "Nobody wants more of it."


def test_a_stop_does_not_wait_for_the_provider(work: Scripted) -> None:
    begin(work)
    say(work, "One ")
    stop_job(work.job)
    ended = wait(work.job)
    assert ended and ended.state == Turn.State.STOPPED
    assert not work.finish.is_set()


def test_what_is_overdue_is_ended_and_refunded(work: Scripted, alice: User) -> None:
    work.bounds = Bounds(first=60, silence=1, total=60)
    begin(work)
    say(work, "One ")
    ended = wait(work.job)
    assert ended and (ended.state, ended.failure) == (Turn.State.FAILED, Reason.TIMEOUT)
    assert get_balance(user_id=alice.pk)[:2] == (100, 0)


def test_work_that_may_outlive_its_lease_renews_it(work: Scripted, settings: Any) -> None:
    before = Hold.objects.get().lease_until
    settings.HOLD_LEASE_SECONDS = 3
    Hold.objects.update(lease_until=before - timedelta(days=1))
    work.bounds = Bounds(first=600, silence=600, total=600)
    begin(work)
    wait_for(lambda: Hold.objects.get().lease_until > before - timedelta(hours=1), "the renewal")
    work.finish.set()
    ended = wait(work.job)
    assert ended and (ended.state, ended.refunded) == (Turn.State.ANSWERED, 0)


def test_all_who_follow_hear_everything(work: Scripted) -> None:
    begin(work)
    say(work, "One ")
    followed = [iter(Following(work.job, heartbeat=10)) for _ in range(3)]
    assert [next(each) for each in followed] == [Text("One ")] * 3
    say(work, "two")
    work.finish.set()
    assert [list(each) for each in followed] == [[Text("two")]] * 3


def refuse_threads(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """From now on no thread whose name begins with `name` can be started."""
    start = threading.Thread.start

    def start_or_refuse(thread: threading.Thread) -> None:
        if thread.name.startswith(name):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_or_refuse)


@pytest.mark.parametrize("name", ["turn-", "supervisor", ""])
def test_a_job_that_no_thread_can_be_had_for_is_refunded(
    work: Scripted, alice: User, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(supervision, "_thread", None)
    refuse_threads(monkeypatch, name)
    viewed = Following(work.job, heartbeat=10)
    with pytest.raises(Busy):
        begin(work)
    monkeypatch.undo()
    turn = Turn.objects.get()
    assert (turn.state, turn.failure) == (Turn.State.FAILED, Reason.NOT_STARTED)
    assert turn.refund_id
    assert get_balance(user_id=alice.pk)[:2] == (100, 0)
    assert find_run(turn.pk) is None
    assert list(viewed) == [] and viewed.job and viewed.job.refunded == 1


def test_a_job_ends_although_no_thread_can_be_had_for_its_end(
    work: Scripted, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(work)
    say(work, "One ")
    refuse_threads(monkeypatch, "")
    run.interrupt(ProviderError(Reason.TIMEOUT))
    monkeypatch.undo()
    assert run.ended.is_set() and find_run(work.job.pk) is None
    assert run.job and (run.job.failure, run.job.refunded) == (Reason.TIMEOUT, 1)
    assert get_balance(user_id=alice.pk)[:2] == (100, 0)


def fail(*_: Any, **__: Any) -> Any:
    raise ZeroDivisionError


@pytest.mark.parametrize("method", ["perform", "cancel", "outcome"])
def test_a_fault_of_ours_ends_the_job(
    work: Scripted, alice: User, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr(work, method, fail)
    work.finish.set()
    begin(work)
    ended = wait(work.job)
    assert ended and find_run(ended.pk) is None
    refunded = 0 if method == "cancel" else 1
    assert (ended.is_running, ended.refunded) == (False, refunded)
    assert get_balance(user_id=alice.pk)[:2] == (99 + refunded, 0)


def test_a_result_that_cannot_be_kept_leaves_the_end_to_the_lease(
    work: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "keep", fail)
    run = begin(work)
    work.finish.set()
    assert run.ended.wait(60) and find_run(work.job.pk) is None
    assert run.job is None
    assert Hold.objects.filter(charge_id=work.job.charge_id).exists()
