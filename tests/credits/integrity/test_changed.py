"""Checks of what changed since the last clean run: nothing that its snapshot did not show is left
out, nothing else is looked at."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from io import StringIO
from threading import Event
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from credits.integrity.run import GRACE, CheckResult, check_and_keep, run_checks
from credits.ledger import refund_charge
from credits.models import User
from credits.models.rollup import LedgerCheck
from credits.reports.rollup import close_days
from tests.clock import Clock
from tests.credits.reports.days import a_day_of
from tests.factories import make_charge, make_grant, set_price
from tests.ledger import NO_SWEEPER, insert_row, sql
from tests.parallel import in_background
from tests.waiting import PATIENCE, wait_for

pytestmark = pytest.mark.django_db(transaction=True)


def changed() -> dict[str, CheckResult]:
    results = run_checks(changed=True, grace=NO_SWEEPER)
    return {result.check.name: result for result in results}


def broken(*, whole: bool = False) -> set[str]:
    results = run_checks(changed=not whole, grace=NO_SWEEPER)
    return {result.check.name for result in results if not result.ok}


def check_what_settled(*, grace: timedelta = GRACE) -> LedgerCheck:
    """A clean run, once no transaction is older than what was written so far: those of other tests
    on the same server would make the next run look at more."""
    [(last,)] = sql("SELECT pg_current_xact_id()::text")
    over = "SELECT pg_snapshot_xmin(pg_current_snapshot()) > %s::xid8"
    wait_for(lambda: sql(over, last) == [(True,)], "older transactions to end")
    kept, _ = check_and_keep(grace=grace)
    assert kept.ok
    return kept


def by_hand(statement: str, *values: object) -> None:
    """Runs it with the guards off, and commits."""
    with transaction.atomic():
        sql("SET LOCAL session_replication_role = replica")
        sql(statement, *values)


@pytest.mark.parametrize("price", [1, 0])
@pytest.mark.parametrize("runs", [1, 2])
@pytest.mark.parametrize("inner", [nullcontext, transaction.atomic])
def test_what_was_in_flight_is_looked_at_by_the_next_run(
    inner: Callable[[], Any], runs: int, price: int, alice: User, bob: User
) -> None:
    """Its row has a smaller number than the newest one that the clean run saw. At no price it
    touches no grant."""
    set_price("ai_text_chat", price)
    posted, commits = Event(), Event()

    def charge_wrongly() -> int:
        with transaction.atomic():
            with inner():
                charge = make_charge(alice, 3)
                sql("SET LOCAL session_replication_role = replica")
                sql("INSERT INTO credits_grantallocation (usage_id, grant_id, amount)"
                    " SELECT %s, id, 77 FROM credits_creditgrant WHERE amount = 100",
                    charge.id)  # fmt: skip
            posted.set()
            assert commits.wait(PATIENCE)
        return charge.id

    wrong = in_background(charge_wrongly)
    assert posted.wait(PATIENCE)
    later = make_charge(bob, 1)
    for run in range(runs):
        kept, _ = check_and_keep(changed=run > 0)
        assert (kept.ok, kept.whole, kept.last_row) == (True, run == 0, later.id)
    commits.set()
    assert wrong.result() < later.id
    results = changed()
    assert results["row_is_allocated"].offenders == [str(wrong.result())]
    assert not results["grant_is_its_allocations"].ok
    by_hand("DELETE FROM credits_grantallocation WHERE amount = 77")
    assert broken() == set()


def test_only_what_changed_is_looked_at(alice: User, bob: User) -> None:
    for _ in range(5):
        make_charge(alice)
        make_charge(bob)
    check_what_settled()
    assert changed()["rows_chain"].rows == 0
    make_charge(alice)
    make_charge(alice)
    results = changed()
    assert all(result.ok for result in results.values())
    looked_at = {name: results[name].rows for name in ("rows_chain", "balance_is_the_journal")}
    assert looked_at == {"rows_chain": 2, "balance_is_the_journal": 1}
    assert results["allocation_within_user"].rows == 2
    kept, run = check_and_keep(changed=True)
    assert (kept.whole, kept.rows) == (False, 2)
    assert run.since is not None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE credits_creditbalance SET credits_remaining = credits_remaining + 1",
        # As if the opening balance were another: the rows since add up in themselves.
        """UPDATE credits_usagehistory SET balance_after = balance_after + 1
            WHERE id > (SELECT max(last_row) FROM credits_ledgercheck)""",
    ],
)
def test_new_rows_go_on_from_the_old_ones(statement: str, alice: User) -> None:
    make_charge(alice, 5)
    check_what_settled()
    make_charge(alice, 2)
    assert broken() == set()
    by_hand(statement)
    assert broken() & {"rows_chain", "balance_is_the_journal"}
    by_hand(statement.replace("+ 1", "- 1"))


def test_an_old_row_that_was_changed_by_hand_is_found_by_a_whole_run(alice: User) -> None:
    charge = make_charge(alice, 5)
    check_what_settled()
    by_hand("UPDATE credits_grantallocation SET amount = 4 WHERE usage_id = %s", charge.id)
    assert broken() == set()
    assert broken(whole=True) == {"row_is_allocated", "grant_is_its_allocations"}
    by_hand("UPDATE credits_grantallocation SET amount = 5 WHERE usage_id = %s", charge.id)


def test_a_new_row_that_moved_nothing_is_found(alice: User) -> None:
    """Put in with the guards off it changed no balance, and so nothing with a row per account."""
    check_what_settled()
    with transaction.atomic():
        sql("SET LOCAL session_replication_role = replica")
        row = insert_row(alice, credits_used=2)
    assert broken() == {
        "balance_is_the_journal", "balance_stands_at_the_last_row", "row_is_allocated",
    }  # fmt: skip
    by_hand("DELETE FROM credits_usagehistory WHERE id = %s", row)


def test_a_grant_that_changed_without_a_row_is_looked_at(alice: User, clock: Clock) -> None:
    """Its end was moved to before a charge that it paid long ago."""
    make_grant(alice, 5, key="g", priority=1)
    charge = make_charge(alice, 5)
    check_what_settled()
    by_hand(
        "UPDATE credits_creditgrant SET expires_at = now() - interval '1 day', expired = true"
        " WHERE key = 'g'"
    )
    assert broken() == {"charge_paid_by_live_grants"}
    assert changed()["charge_paid_by_live_grants"].offenders == [str(charge.id)]
    by_hand("UPDATE credits_creditgrant SET expires_at = NULL, expired = false WHERE key = 'g'")


def test_a_second_refund_counts_with_the_first(alice: User) -> None:
    """Of the charge that a new row refunds every refund is looked at, however old."""
    charge = make_charge(alice, 7)
    refund_charge(charge_id=charge.id, reason="test", idempotency_key="old", amount=3)
    check_what_settled()
    refund_charge(charge_id=charge.id, reason="test", idempotency_key="new", amount=4)
    assert broken() == set()
    by_hand("UPDATE credits_usagehistory SET credits_used = 6, quantity = 6 WHERE id = %s",
            charge.id)  # fmt: skip
    assert "refunds_within_charge" in broken()
    by_hand("UPDATE credits_usagehistory SET credits_used = 7, quantity = 7 WHERE id = %s",
            charge.id)  # fmt: skip


def test_a_day_that_closed_since_is_compared_with_its_rows(alice: User, days: Clock) -> None:
    a_day_of(alice)
    days.move(days=1)
    close_days()
    check_what_settled(grace=NO_SWEEPER)
    a_day_of(alice)
    days.move(days=1)
    close_days()
    results = changed()
    assert {name for name, result in results.items() if not result.ok} == set()
    assert results["active_users_are_the_journal"].rows == 1
    for statement, name in (
        ("UPDATE credits_usageslice SET rows = rows + 1", "rollup_is_the_journal"),
        ("UPDATE credits_usageday SET active_accounts = 2", "active_users_are_the_journal"),
        ("DELETE FROM credits_activeaccount", "active_users_are_the_journal"),
    ):
        with transaction.atomic():
            sql(statement)
            assert name in broken()
            transaction.set_rollback(True)


@pytest.mark.parametrize(
    "unusable",
    [
        {"ok": False},
        {"cluster": 1},
        {"horizon": 2**40},
    ],
)
def test_without_a_clean_run_of_this_cluster_all_is_looked_at(
    unusable: dict[str, int | bool], alice: User
) -> None:
    """A dump that is restored elsewhere brings its runs along; transactions have other numbers."""
    check_what_settled()
    assert changed()["rows_chain"].rows == 0
    LedgerCheck.objects.update(**unusable)
    assert changed()["rows_chain"].rows == 1
    kept, _ = check_and_keep(changed=True)
    assert kept.whole


def test_a_run_with_differences_is_not_built_on(alice: User) -> None:
    check_what_settled()
    charge = make_charge(alice, 2)
    by_hand("UPDATE credits_grantallocation SET amount = 1 WHERE usage_id = %s", charge.id)
    for _ in range(2):
        kept, _ = check_and_keep(changed=True)
        names = [difference["name"] for difference in kept.differences]
        assert names == ["grant_is_its_allocations", "row_is_allocated"]
    by_hand("UPDATE credits_grantallocation SET amount = 2 WHERE usage_id = %s", charge.id)
    assert check_and_keep(changed=True)[0].ok


def test_the_command_says_what_it_looked_at(alice: User) -> None:
    out = StringIO()
    for argument in ("--changed", "--changed", "--grace=300"):
        call_command("check_ledger", argument, stdout=out)
    whole, part, again = (line for line in out.getvalue().splitlines() if "checks of" in line)
    since = LedgerCheck.objects.order_by("pk")[0].started_at
    assert f"checks of what changed since {since:%Y-%m-%d %H:%M:%S} on one snapshot" in part
    assert "checks of all on one snapshot" in whole
    assert "checks of all on one snapshot" in again
    charge = make_charge(alice, 2)
    by_hand("UPDATE credits_grantallocation SET amount = 1 WHERE usage_id = %s", charge.id)
    with pytest.raises(CommandError) as failure:
        call_command("check_ledger", "--changed", stdout=out)
    assert failure.value.returncode == 1
    assert f"row_is_allocated: 1; row: {charge.id}\n" in out.getvalue()
    by_hand("UPDATE credits_grantallocation SET amount = 2 WHERE usage_id = %s", charge.id)
