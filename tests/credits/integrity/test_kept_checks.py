"""What came out of the checks of the ledger is kept."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction

from credits.integrity.run import check_and_keep, is_due, last_check
from credits.models import User
from credits.models.rollup import LedgerCheck
from credits.tasks import check, check_soon
from tests.ledger import sql


@pytest.mark.django_db
class TestKeptChecks:
    def test_what_came_out_is_kept(self, alice: User) -> None:
        kept = check_and_keep()
        assert (kept.ok, kept.differences, kept.rows) == (True, [], 1)
        assert last_check() == kept

    def test_a_difference_is_kept_and_logged(
        self, alice: User, caplog: pytest.LogCaptureFixture
    ) -> None:
        with transaction.atomic():
            sql("SET LOCAL session_replication_role = replica")
            sql("UPDATE credits_creditbalance SET credits_remaining = 99")
            sql("SET LOCAL session_replication_role = origin")
            kept = check_and_keep()
            transaction.set_rollback(True)
        named = {one["name"] for one in kept.differences}
        assert named == {"balance_is_the_journal", "balance_is_the_grants"}
        assert not kept.ok
        assert kept.differences[0]["offenders"] == [str(alice.pk)]
        assert "balance_is_the_journal" in caplog.text

    def test_old_runs_are_forgotten(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("credits.integrity.run.RUNS_KEPT", 2)
        for _ in range(4):
            check_and_keep()
        assert LedgerCheck.objects.count() == 2

    @pytest.mark.parametrize(
        ("seconds", "minutes", "due"),
        [(1, 4, False), (1, 6, True), (60, 40, False), (60, 51, True)],
    )
    def test_a_ledger_that_takes_long_is_proved_less_often(
        self, seconds: float, minutes: int, due: bool
    ) -> None:
        started = datetime.now(UTC) - timedelta(minutes=minutes)
        LedgerCheck.objects.create(ok=True, checks=1, rows=1, seconds=seconds, started_at=started)
        assert is_due() is due
        check(0)
        assert LedgerCheck.objects.count() == 1 + due

    def test_who_asks_twice_asks_once(self, admin: User) -> None:
        assert [check_soon(actor=admin), check_soon(actor=admin)] == [True, False]
        assert sql("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'credits.check_now'"
                   " AND status = 'todo'") == [(1,)]  # fmt: skip
        assert sql("SELECT count(*) FROM credits_auditentry") == [(1,)]
