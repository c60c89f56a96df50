"""The fixtures that every other test stands on."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from credits.ledger import get_balance
from credits.models import CreditBalance, CreditGrant, UsageHistory, User
from tests.clock import Clock
from tests.factories import make_charge, make_grant
from tests.ledger import assert_ledger_is_consistent
from tests.live import Site
from tests.parallel import count_of, in_parallel


def test_the_cast_has_its_credits(alice: User, bob: User, carol: User, admin: User) -> None:
    balances = [get_balance(user_id=user.pk).remaining for user in (alice, bob, carol, admin)]
    assert balances == [100, 10, 0, 0]
    assert admin.is_staff
    assert not CreditBalance.objects.filter(user=carol).exists()


@pytest.mark.parametrize("time", ["first", "second"])
@pytest.mark.django_db(transaction=True)
def test_a_transactional_test_starts_with_an_empty_ledger(time: str, alice: User) -> None:
    assert UsageHistory.objects.count() == 1
    make_charge(alice)


@pytest.mark.django_db(transaction=True)
def test_the_guards_are_back_after_a_flush(alice: User) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW session_replication_role")
        assert cursor.fetchone() == ("origin",)


@pytest.mark.parametrize("time", ["first", "second"])
@pytest.mark.django_db(transaction=True)
def test_the_clock_moves_for_every_connection_and_is_right_in_the_next_test(
    time: str, clock: Clock, alice: User
) -> None:
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(hours=1)
    clock.move(days=30)
    [seen] = in_parallel(1, lambda _: Clock().now())
    assert seen > datetime.now(UTC) + timedelta(days=29)


def test_a_frozen_clock_stands_until_it_is_moved(clock: Clock) -> None:
    moment = clock.freeze(datetime(2031, 5, 1, 12, tzinfo=UTC))
    assert clock.now() == moment
    assert clock.move(hours=1) == moment + timedelta(hours=1) == clock.now()


def test_a_difference_is_seen(alice: User) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE credits_creditbalance SET credits_remaining = 7")
        with pytest.raises(AssertionError, match="balance_is_the_journal"):
            assert_ledger_is_consistent()
        cursor.execute("UPDATE credits_creditbalance SET credits_remaining = 100")
        cursor.execute("SET LOCAL session_replication_role = origin")


@pytest.mark.django_db(transaction=True)
def test_threads_work_at_once_each_on_its_own_connection() -> None:
    def backend(_: int) -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            return int(cursor.fetchone()[0])

    assert len(set(in_parallel(8, backend))) == 8


@pytest.mark.django_db(transaction=True)
def test_expected_errors_of_threads_are_answers() -> None:
    answers = in_parallel(3, lambda number: 1 // number, catch=ZeroDivisionError)
    assert count_of(answers, ZeroDivisionError) == 1


def test_a_site_runs_two_workers_on_the_tests_database(site: Site, alice: User) -> None:
    assert len(site.workers()) == 2
    assert site.client(alice).get("/healthz").http_version == "HTTP/1.1"


def test_sites_can_run_beside_each_other(start_site: Callable[..., Site]) -> None:
    first, second = start_site(WEB_WORKERS="1"), start_site(WEB_WORKERS="1")
    assert first.base_url != second.base_url
    assert len(first.workers()) == len(second.workers()) == 1


def test_a_plans_grant_burns_before_a_pack(alice: User) -> None:
    plan = make_grant(alice, 5, source=CreditGrant.Source.PLAN)
    make_charge(alice, 3)
    assert CreditGrant.objects.get(pk=plan.id).remaining == 2
