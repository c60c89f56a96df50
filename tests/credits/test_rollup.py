"""Days are closed once, when nobody can write into them any more, and then say what the journal
says."""

import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from functools import partial
from io import StringIO
from threading import Event

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from credits.integrity.run import check_and_keep, is_due, last_check, run_checks
from credits.ledger import refund_charge, release_charge
from credits.models import User
from credits.models.rollup import ActiveAccount, LedgerCheck, UsageDay, UsageSlice
from credits.reports.rollup import (
    BEGINNING,
    Slice,
    Slicing,
    active_users,
    close_days,
    open_since,
    rebuild,
    slices,
    spans,
)
from credits.tasks import check, check_soon, close, forget_jobs
from tests.bench import seed
from tests.clock import Clock
from tests.factories import make_charge, make_grant, make_user
from tests.ledger import assert_ledger_stands, sql
from tests.parallel import in_background, in_parallel, own_connection
from tests.waiting import PATIENCE, wait_for

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
TENTH = NOON.date()


@pytest.fixture
def days(clock: Clock) -> Clock:
    """The clock, stopped at noon of the tenth."""
    clock.freeze(NOON)
    return clock


def totals(wanted: Slicing | None = None) -> dict[tuple[date, str], tuple[int, int]]:
    """(day, kind) → rows and credits."""
    found: dict[tuple[date, str], tuple[int, int]] = {}
    for one in slices(wanted or Slicing()):
        rows, credits_ = found.get((one.day, one.kind), (0, 0))
        found[one.day, one.kind] = (rows + one.rows, credits_ + one.credits)
    return found


def journal() -> dict[tuple[date, str], tuple[int, int]]:
    """The same, row by row from the journal."""
    found: dict[tuple[date, str], tuple[int, int]] = {}
    rows = sql("""SELECT created_at, operation_type, refund_of_id, credits_used
        FROM credits_usagehistory""")
    for at, operation, refund_of, used in rows:
        other = operation.lower() if operation in {"GRANT", "ADJUSTMENT", "EXPIRY"} else ""
        key = (at.astimezone(UTC).date(), other or ("refund" if refund_of else "charge"))
        count, credits_ = found.get(key, (0, 0))
        found[key] = (count + 1, credits_ + used)
    return found


def a_day_of(user: User) -> None:
    """A grant that expires within the day, charges of both features, a refund, a released hold."""
    now = Clock().now()
    make_grant(user, 50, expires_at=now + timedelta(hours=6))
    charge = make_charge(user, 3, details={"model": "m1"})
    refund_charge(charge_id=charge.id, reason="goodwill", idempotency_key=f"r{charge.id}", amount=2)
    held = make_charge(user, 5, hold=True, details={"model": "m2"})
    release_charge(charge_id=held.id, reason="provider_error")


@pytest.mark.django_db
class TestClosing:
    def test_a_day_that_is_not_over_stays_open(self, days: Clock) -> None:
        a_day_of(make_user())
        assert close_days() == 0
        days.move(hours=12, seconds=60)
        assert close_days() == 0, "Somebody's row may still be dated before midnight."
        days.move(seconds=61)
        assert close_days() == 1
        assert open_since() == TENTH + timedelta(days=1)

    def test_an_empty_journal_has_no_days(self, days: Clock) -> None:
        assert close_days() == 0
        assert open_since() == BEGINNING
        assert slices(Slicing()) == []
        assert active_users(first=TENTH) == ({}, 0)

    def test_days_without_rows_are_closed_too(self, days: Clock) -> None:
        make_charge(make_user(credits=5))
        days.move(days=3)
        assert close_days() == 3
        assert [one.rows for one in UsageDay.objects.order_by("day")] == [2, 0, 0]

    def test_the_sums_are_those_of_the_rows_closed_or_not(self, days: Clock) -> None:
        for _ in range(3):
            a_day_of(make_user())
            a_day_of(make_user(credits=20))
            days.move(days=1)
        expected = journal()
        assert len(expected) > 8
        assert totals() == expected, "all of it read from the journal"
        assert close_days() == 3
        assert totals() == expected, "all of it read from the rollup"
        a_day_of(make_user())
        assert totals() == journal() != expected, "and what is new from the journal"

    def test_a_refund_counts_for_the_model_of_its_charge(self, days: Clock) -> None:
        a_day_of(make_user())
        for _ in range(2):
            found = slices(Slicing(model="m1"))
            assert {(one.kind, one.credits) for one in found} == {("charge", 3), ("refund", -2)}
            days.move(days=1)
            close_days()

    def test_filters_and_ranges_choose_slices(self, days: Clock) -> None:
        a_day_of(make_user())
        days.move(days=1)
        close_days()
        a_day_of(make_user())
        assert totals(Slicing(reason="goodwill", last=TENTH)) == {(TENTH, "refund"): (1, -2)}
        assert totals(Slicing(first=TENTH + timedelta(days=2))) == {}
        tomorrow = TENTH + timedelta(days=1)
        assert set(totals(Slicing(first=tomorrow, kind="charge"))) == {(tomorrow, "charge")}

    def test_a_day_that_is_closed_while_somebody_reads_is_not_read_twice(
        self, days: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        a_day_of(make_user())
        days.move(days=1)
        close_days()
        monkeypatch.setattr("credits.reports.rollup.open_since", lambda: TENTH)
        assert totals() == journal()

    def test_it_is_done_again_from_nothing_when_asked(self, days: Clock) -> None:
        a_day_of(make_user())
        days.move(days=2)
        close_days()
        before = sorted(UsageSlice.objects.values_list("kind", "rows", "credits"))
        UsageSlice.objects.update(rows=1)
        out = StringIO()
        call_command("rollup", "--rebuild", stdout=out)
        assert out.getvalue() == "2 days closed.\n"
        assert sorted(UsageSlice.objects.values_list("kind", "rows", "credits")) == before

    def test_the_worker_closes_days(self, days: Clock) -> None:
        make_user(credits=5)
        days.move(days=1)
        close(0)
        assert UsageDay.objects.count() == 1


@pytest.mark.django_db
class TestActiveUsers:
    def test_each_counts_once_a_day_and_once_in_all(self, days: Clock) -> None:
        often, once, never = (make_user(credits=50) for _ in range(3))
        make_charge(once)
        for _ in range(3):
            make_charge(often)
            make_charge(often)
            days.move(days=1)
        make_charge(often)
        expected = {TENTH + timedelta(days=n): 2 if n == 0 else 1 for n in range(4)}
        for _ in range(2):
            assert active_users(first=TENTH) == (expected, 2)
            later = TENTH + timedelta(days=1)
            assert active_users(first=later)[1] == 1
            close_days()
        assert not ActiveAccount.objects.filter(account_id=never.pk).exists()

    def test_who_comes_back_after_a_pause_counts_once(self, days: Clock) -> None:
        user = make_user(credits=50)
        make_charge(user)
        days.move(days=40)
        make_charge(user)
        close_days()
        assert active_users(first=TENTH + timedelta(days=20))[1] == 1
        assert active_users(first=TENTH)[1] == 1


@pytest.mark.django_db(transaction=True)
class TestBesideSpends:
    def test_a_day_waits_for_a_charge_that_is_not_committed(self, days: Clock, alice: User) -> None:
        """The charge is dated before midnight and comes to stand after it."""
        charged, may_commit = Event(), Event()

        def charge_slowly() -> None:
            with transaction.atomic():
                make_charge(alice, 7)
                charged.set()
                assert may_commit.wait(PATIENCE)

        slow = in_background(charge_slowly)
        assert charged.wait(PATIENCE)
        days.move(days=1)
        assert close_days(patience=0.3) == 0, "The day is closed while a charge is on its way."
        may_commit.set()
        slow.result()
        assert close_days() == 1
        assert totals()[TENTH, "charge"] == (1, 7)
        assert_ledger_stands()

    def test_who_only_reads_keeps_no_day_open(self, days: Clock, alice: User) -> None:
        reading, done = Event(), Event()

        def read() -> None:
            with transaction.atomic():
                sql("SELECT count(*) FROM credits_usagehistory")
                reading.set()
                assert done.wait(PATIENCE)

        reader = in_background(read)
        assert reading.wait(PATIENCE)
        days.move(days=1)
        assert close_days() == 1
        done.set()
        reader.result()

    def test_charges_that_run_over_midnight_are_counted_once_each(self, clock: Clock) -> None:
        """People spend without a pause while midnight passes, and a worker closes what is over: at
        every moment the sums are all that was spent. (A row must be dated now, give or take a
        minute: the clock goes on by less, and only when nobody is still in a charge of before.)"""
        clock.freeze(NOON + timedelta(hours=11, minutes=58))
        users = [make_user(credits=10**6) for _ in range(4)]
        ended = Event()
        charges = Counter[int]()

        def spend(user: User) -> int:
            while not ended.is_set():
                make_charge(user)
                charges[user.pk] += 1
            return charges[user.pk]

        def everyone_spends_once_more() -> None:
            before = dict(charges)
            while not all(charges[user.pk] > before.get(user.pk, 0) for user in users):
                assert not any(one.done() for one in spenders), "A spender stopped."
                time.sleep(0.001)

        spenders = [in_background(partial(spend, user)) for user in users]
        try:
            for _ in range(10):
                clock.move(seconds=40)
                everyone_spends_once_more()
                close_days()
                with transaction.atomic(), connection.cursor() as cursor:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                    assert sum(one.rows for one in slices(Slicing(kind="charge"))) == sum(
                        rows for (_, kind), (rows, _) in journal().items() if kind == "charge"
                    )
        finally:
            ended.set()
        spent = sum(one.result() for one in spenders)
        assert spent > 50
        assert UsageDay.objects.count() == 1, "The tenth is closed while they spend."
        clock.move(days=1)
        assert close_days() == 1
        assert sum(one.credits for one in slices(Slicing(kind="charge"))) == spent
        assert all(one.rows > 4 for one in UsageDay.objects.all())
        assert_ledger_stands()

    def test_two_workers_close_a_day_once(self, days: Clock, alice: User) -> None:
        make_charge(alice)
        days.move(days=3)
        closed = in_parallel(4, lambda _: close_days())
        assert UsageDay.objects.count() == 3
        assert sum(one for one in closed if isinstance(one, int)) == 3
        assert_ledger_stands()

    def test_no_charge_waits_for_a_day_that_is_being_closed(self, days: Clock, alice: User) -> None:
        make_charge(alice)
        days.move(days=1)
        with own_connection(), transaction.atomic():
            day, horizon = sql("SELECT day, horizon::text FROM credits_next_day()")[0]
            # Transactions are numbered across the server: other tests' may be open before ours.
            wait_for(
                lambda: sql("SELECT credits_close_day(%s, %s::xid8)", day, horizon) == [(True,)],
                "older transactions to end",
            )
            spender = in_background(lambda: make_charge(alice).credits)
            assert spender.result(timeout=PATIENCE) == 1


#: Check → what makes the rollup differ from the journal.
DIFFERENCES = {
    "rollup_is_the_journal": [
        "UPDATE credits_usageslice SET credits = credits + 1 WHERE kind = 'charge'",
        "DELETE FROM credits_usageslice WHERE kind = 'refund'",
        "UPDATE credits_usageslice SET rows = rows + 1",
        "UPDATE credits_usageslice SET first_id = first_id + 1 WHERE kind = 'charge'",
        """INSERT INTO credits_usageslice
            (day, operation_type, kind, model, reason, rows, credits, first_id, last_id)
            SELECT day, 'GRANT', 'grant', 'none', '', 1, 1, 1, 1 FROM credits_usageday LIMIT 1""",
    ],
    "days_close_in_order": [
        "DELETE FROM credits_usageday WHERE rows = 0",
        "UPDATE credits_usageday SET rows = rows + 1",
    ],
    "active_users_are_the_journal": [
        "UPDATE credits_usageday SET active_accounts = active_accounts + 1",
        "UPDATE credits_activeaccount SET last_day = last_day - 1",
        "DELETE FROM credits_activeaccount",
    ],
}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "statement"),
    [(name, statement) for name, those in DIFFERENCES.items() for statement in those],
)
def test_a_rollup_that_differs_from_the_journal_is_found(
    name: str, statement: str, days: Clock
) -> None:
    user = make_user()
    a_day_of(user)
    days.move(days=2)
    a_day_of(user)
    days.move(days=1)
    close_days()
    assert_ledger_stands()
    with transaction.atomic():
        sql("SET LOCAL session_replication_role = replica")
        sql(statement)
        broken = {result.check.name for result in run_checks() if not result.ok}
        transaction.set_rollback(True)
    assert name in broken


def test_ranges_of_ids_that_overlap_become_one() -> None:
    made = [slices_at(one) for one in [(50, 60), (1, 5), (20, 30), (28, 40), (4, 10), (41, 45)]]
    assert spans(made) == [(50, 60), (41, 45), (20, 40), (1, 10)]


def slices_at(ids: tuple[int, int]) -> Slice:
    return Slice(TENTH, "GRANT", "grant", "", "", 1, 1, *ids)


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


@pytest.mark.django_db
class TestSeeding:
    def seed(self, *arguments: str) -> None:
        seed.main(["--confirm-database", str(connection.settings_dict["NAME"]), *arguments])

    def test_what_is_made_is_a_ledger_that_stands(
        self, alice: User, capsys: pytest.CaptureFixture[str]
    ) -> None:
        make_charge(alice, 3)
        self.seed("--rows", "1500", "--users", "40", "--days", "70")
        assert "70 days closed" in capsys.readouterr().out
        rows = sum(one.rows for one in slices(Slicing()))
        assert 1500 <= rows < 1900
        kinds = {one.kind for one in slices(Slicing())}
        assert kinds == {"charge", "refund", "grant", "expiry"}
        assert_ledger_stands()

    def test_the_ledger_goes_on_afterwards(self, alice: User) -> None:
        self.seed("--rows", "300", "--users", "10")
        make_charge(alice, 3)
        somebody = User.objects.filter(email__startswith="seed").latest("pk")
        make_grant(somebody, 5)
        make_charge(somebody, 2)
        assert_ledger_stands()

    def test_a_second_time_adds_to_the_first(self) -> None:
        for _ in range(2):
            self.seed("--rows", "300", "--users", "10")
        assert User.objects.count() == 20

    def test_a_database_that_matters_is_named_first(self, settings: object) -> None:
        settings.EMBEDDED_DATABASE = False  # type: ignore[attr-defined]
        with pytest.raises(SystemExit, match="cannot be taken out again"):
            seed.main(["--rows", "10"])
        assert not User.objects.exists()


@pytest.mark.django_db
def test_rebuilding_twice_changes_nothing(days: Clock) -> None:
    a_day_of(make_user())
    days.move(days=2)
    assert [rebuild(), rebuild()] == [2, 2]


@pytest.mark.django_db(transaction=True)
def test_jobs_that_are_long_done_are_forgotten_and_failed_ones_kept() -> None:
    for hours, status in ((80, "succeeded"), (80, "failed"), (1, "succeeded")):
        [(job,)] = sql(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, status)"
            " VALUES ('default', %s, %s::procrastinate_job_status) RETURNING id",
            f"{status} {hours} h ago", status,
        )  # fmt: skip
        sql("DELETE FROM procrastinate_events WHERE job_id = %s", job)
        sql("INSERT INTO procrastinate_events (job_id, type, at) VALUES"
            " (%s, %s::procrastinate_job_event_type, now() - make_interval(hours => %s))",
            job, status, hours)  # fmt: skip
    forget_jobs.configure().defer(timestamp=0)
    # In a thread: behind a test with a browser this one has an event loop.
    in_background(lambda: call_command("procrastinate", "worker", "--one-shot")).result()
    left = {name for (name,) in sql("SELECT task_name FROM procrastinate_jobs")}
    assert {"failed 80 h ago", "succeeded 1 h ago"} <= left
    assert "succeeded 80 h ago" not in left
