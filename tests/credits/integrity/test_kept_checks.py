"""What came out of the checks of the ledger is kept."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from threading import Event

import pytest
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from credits.integrity.run import AlreadyRunning, check_and_keep, is_due, last_checks
from credits.models import User
from credits.models.rollup import LedgerCheck
from credits.tasks import check_changed, check_now, check_soon, check_whole
from tests.factories import make_check
from tests.ledger import sql
from tests.parallel import in_background
from tests.waiting import PATIENCE


@pytest.mark.django_db
class TestKeptChecks:
    def test_what_came_out_is_kept(self, alice: User) -> None:
        kept, _ = check_and_keep()
        assert (kept.whole, kept.ok, kept.differences, kept.rows) == (True, True, [], 1)
        assert last_checks() == (None, kept)

    def test_a_difference_is_kept_and_logged(
        self, alice: User, caplog: pytest.LogCaptureFixture
    ) -> None:
        with transaction.atomic():
            sql("SET LOCAL session_replication_role = replica")
            sql("UPDATE credits_creditbalance SET credits_remaining = 99")
            sql("SET LOCAL session_replication_role = origin")
            kept, _ = check_and_keep()
            transaction.set_rollback(True)
        named = {one["name"] for one in kept.differences}
        assert named == {"balance_is_the_journal", "balance_is_the_grants"}
        assert not kept.ok
        assert kept.differences[0]["offenders"] == [str(alice.pk)]
        assert "balance_is_the_journal" in caplog.text

    def test_old_runs_are_forgotten_each_kind_for_itself(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("credits.integrity.run.RUNS_KEPT", 2)
        for changed in (False, True, True, True, True, False, False):
            check_and_keep(changed=changed)
        kinds = list(LedgerCheck.objects.order_by("pk").values_list("whole", flat=True))
        assert kinds == [False, False, True, True]

    def test_the_last_clean_run_is_kept_for_the_next_to_be_built_on(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("credits.integrity.run.RUNS_KEPT", 2)
        [clean, *rest] = [make_check(ok=ok) for ok in (True, False, False, False)]
        with transaction.atomic():
            sql("SET LOCAL session_replication_role = replica")
            check_and_keep()
            sql("SET LOCAL session_replication_role = origin")
        assert list(LedgerCheck.objects.order_by("pk"))[:2] == [clean, rest[-1]]

    @pytest.mark.parametrize(
        ("seconds", "minutes", "due"),
        [(1, 0.5, False), (1, 1, True), (60, 40, False), (60, 51, True)],
    )
    def test_a_ledger_that_takes_long_is_proved_less_often(
        self, seconds: float, minutes: float, due: bool
    ) -> None:
        make_check(seconds=seconds, started_at=timezone.now() - timedelta(minutes=minutes))
        assert is_due() is due
        check_changed(0)
        assert LedgerCheck.objects.count() == 1 + due

    def test_the_clock_starts_both_kinds(self) -> None:
        """Without a clean run to build on all is looked at."""
        for check in (check_changed, check_changed, check_whole):
            check(0)
            LedgerCheck.objects.update(started_at=timezone.now() - timedelta(hours=1))
        check_now()
        kinds = list(LedgerCheck.objects.order_by("pk").values_list("whole", flat=True))
        assert kinds == [True, False, True, True]

    def test_who_asks_twice_asks_once(self, admin: User) -> None:
        assert [check_soon(actor=admin), check_soon(actor=admin)] == [True, False]
        assert sql("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'credits.check_now'"
                   " AND status = 'todo'") == [(1,)]  # fmt: skip
        assert sql("SELECT count(*) FROM credits_auditentry") == [(1,)]


@pytest.mark.django_db(transaction=True)
class TestOneAtATime:
    @pytest.fixture
    def ends(self) -> Iterator[Event]:
        """The ledger is being checked elsewhere until this is set."""
        began, ends = Event(), Event()

        def check() -> None:
            with transaction.atomic():
                sql("SELECT pg_advisory_xact_lock(hashtextextended('credits.integrity', 4))")
                began.set()
                assert ends.wait(PATIENCE)

        other = in_background(check)
        assert began.wait(PATIENCE)
        yield ends
        ends.set()
        other.result()

    def test_what_the_clock_starts_is_left_out(self, ends: Event) -> None:
        with pytest.raises(AlreadyRunning):
            check_and_keep(changed=True)
        check_changed(0)
        assert not LedgerCheck.objects.exists()

    @pytest.mark.parametrize(
        "check", [lambda: check_whole(0), check_now, lambda: call_command("check_ledger")]
    )
    def test_a_whole_one_waits(
        self, check: Callable[[], None], ends: Event, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pauses: list[float] = []

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            ends.set()
            time.sleep(seconds)

        monkeypatch.setattr("credits.integrity.run.sleep", pause)
        check()
        assert pauses
        assert LedgerCheck.objects.get().whole
