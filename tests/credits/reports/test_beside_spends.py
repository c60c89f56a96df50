"""Days are closed while people spend."""

import time
from collections import Counter
from datetime import timedelta
from functools import partial
from threading import Event

import psycopg
import pytest
from django.db import connection, transaction
from psycopg.pq import TransactionStatus

from credits.models import Use, User
from credits.models.rollup import UsageDay
from credits.reports.rollup import Slicing, close_days, slices, uses
from credits.uses import Tokens, settle_use
from tests.clock import Clock
from tests.credits.reports.days import NOON, TENTH, journal, totals
from tests.factories import make_charge, make_model, make_reserve, make_token_price, make_user
from tests.ledger import assert_ledger_is_consistent, sql
from tests.parallel import in_background, in_parallel, own_connection
from tests.waiting import PATIENCE


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
        assert_ledger_is_consistent()

    def test_a_day_waits_for_a_use_that_is_not_committed(self, days: Clock, alice: User) -> None:
        """It keeps all of its reserve, so that the journal gets no row with it."""
        model = make_model()
        make_token_price(model, input=0, output=10**9)
        reserve = make_reserve(alice, model, input_bound=0)
        settled, may_commit = Event(), Event()

        def settle_slowly() -> None:
            with transaction.atomic():
                tokens = Tokens(0, 0, 0, 1000, 0, Use.Source.PROVIDER)
                assert settle_use(charge_id=reserve.id, tokens=tokens).refunded == 0
                settled.set()
                assert may_commit.wait(PATIENCE)

        slow = in_background(settle_slowly)
        assert settled.wait(PATIENCE)
        days.move(days=1)
        assert close_days(patience=0.3) == 0, "The day is closed while a use is on its way."
        may_commit.set()
        slow.result()
        assert close_days() == 1
        assert [part.uses for part in uses(Slicing())] == [1]

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

    @pytest.mark.parametrize("database", ["", "postgres"], ids=["this database", "another one"])
    def test_who_writes_elsewhere_keeps_no_day_open(
        self, database: str, days: Clock, alice: User
    ) -> None:
        """Transactions are numbered across the server: an old one may be of another database."""
        make_charge(alice, 7)
        connected = connection.get_connection_params()
        connected |= {"dbname": database or connected["dbname"]}
        with psycopg.connect(**connected) as other:
            other.execute("CREATE TEMPORARY TABLE elsewhere AS SELECT pg_current_xact_id()")
            days.move(days=1)
            assert close_days(patience=0.3) == 1
            assert other.info.transaction_status == TransactionStatus.INTRANS

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
        assert_ledger_is_consistent()

    def test_two_workers_close_a_day_once(self, days: Clock, alice: User) -> None:
        make_charge(alice)
        days.move(days=3)
        closed = in_parallel(4, lambda _: close_days())
        assert UsageDay.objects.count() == 3
        assert sum(one for one in closed if isinstance(one, int)) == 3
        assert_ledger_is_consistent()

    def test_no_charge_waits_for_a_day_that_is_being_closed(self, days: Clock, alice: User) -> None:
        make_charge(alice)
        days.move(days=1)
        with own_connection(), transaction.atomic():
            day, writers = sql("SELECT day, writers FROM credits_next_day()")[0]
            assert sql("SELECT credits_close_day(%s, %s)", day, writers) == [(True,)]
            spender = in_background(lambda: make_charge(alice).credits)
            assert spender.result(timeout=PATIENCE) == 1
