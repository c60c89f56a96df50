"""`check_ledger` sees every kind of difference, names the offenders, and is right beside spends."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from threading import Event

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from credits.adjustments import adjust_credits
from credits.integrity.base import Check
from credits.integrity.guards import TRIGGERS
from credits.integrity.run import CHECKS, CheckResult, check_and_keep, run_checks
from credits.ledger import expire_credits, refund_charge, release_charge, settle_charge
from credits.management.commands.check_ledger import describe
from credits.models import CreditGrant, User
from credits.reasons import Reason
from tests.clock import Clock
from tests.factories import make_charge, make_grant, set_price
from tests.ledger import NO_SWEEPER, assert_ledger_is_consistent, sql
from tests.parallel import in_background

pytestmark = pytest.mark.django_db

USAGE = "credits_usagehistory"
BALANCE = "credits_creditbalance"
GRANT = "credits_creditgrant"
ALLOCATION = "credits_grantallocation"

#: Check → what breaks its rule, with every guard off.
DIFFERENCES: dict[str, list[str]] = {
    "balance_not_negative": [
        f"ALTER TABLE {BALANCE} DROP CONSTRAINT i1_balance_not_negative",
        f"UPDATE {BALANCE} SET credits_remaining = -1",
    ],
    "balance_is_the_journal": [f"UPDATE {BALANCE} SET credits_remaining = credits_remaining + 1"],
    "rows_chain": [f"UPDATE {USAGE} SET balance_after = balance_after + 1 WHERE credits_used = 7"],
    "balance_stands_at_the_last_row": [f"UPDATE {BALANCE} SET last_usage_id = last_usage_id - 1"],
    "refund_names_its_charge": [
        f"UPDATE {USAGE} SET operation_type = 'AI_IMAGE_GENERATION' WHERE credits_used = -3"
    ],
    "refunds_within_charge": [f"UPDATE {USAGE} SET credits_used = -8 WHERE credits_used = -3"],
    "refund_says_why": [f"UPDATE {USAGE} SET details = '{{}}' WHERE credits_used = -3"],
    "balance_is_the_grants": [f"UPDATE {GRANT} SET remaining = remaining - 1 WHERE remaining > 0"],
    "grant_is_its_allocations": [
        f"UPDATE {GRANT} SET remaining = remaining - 1 WHERE remaining > 0"
    ],
    "row_is_allocated": [
        f"""UPDATE {ALLOCATION} SET amount = amount + 1
            WHERE usage_id IN (SELECT id FROM {USAGE} WHERE credits_used = 7)"""
    ],
    "allocation_within_user": [
        f"UPDATE {GRANT} SET account_id = (SELECT max(id) FROM credits_user) WHERE amount = 100"
    ],
    "refund_returns_to_its_payers": [
        f"UPDATE {ALLOCATION} SET grant_id = (SELECT max(id) FROM {GRANT}) WHERE amount = -3"
    ],
    "charge_paid_by_live_grants": [f"UPDATE {GRANT} SET expires_at = now() - interval '1 day'"],
    "grant_filled_once": [f"UPDATE {GRANT} SET amount = amount + 1"],
    "refund_of_expired_credits_ends": [
        f"UPDATE {GRANT} SET expires_at = NULL WHERE source = 'refund'",
    ],
    "payer_prolongs_nothing": [
        f"UPDATE {USAGE} SET by_payer = true WHERE refund_of_id IS NOT NULL"
    ],
    "expired_grant_is_empty": [
        f"ALTER TABLE {GRANT} DROP CONSTRAINT i5_expired_grant_is_empty",
        f"UPDATE {GRANT} SET expired = true",
    ],
    "expiry_in_time": [f"UPDATE {GRANT} SET expires_at = now() - interval '1 day'"],
    "hold_of_an_open_charge": [
        f"UPDATE credits_hold SET charge_id = (SELECT max(id) FROM {USAGE} WHERE credits_used = 7)"
    ],
    "hold_ends_in_time": ["UPDATE credits_hold SET lease_until = now() - interval '1 day'"],
    "key_charged_once": [
        "DROP INDEX i7_usage_key_once",
        f"UPDATE {USAGE} SET idempotency_key = 'same'",
    ],
    "grant_key_once": [
        f"ALTER TABLE {GRANT} DROP CONSTRAINT credits_creditgrant_key_key",
        f"UPDATE {GRANT} SET key = 'same'",
    ],
    "charge_is_price_times_quantity": [f"UPDATE {USAGE} SET unit_cost = 2 WHERE credits_used = 7"],
    "operation_known": [f"UPDATE {USAGE} SET operation_type = 'TEA' WHERE credits_used = 7"],
    "prices_are_whole_credits": [
        "ALTER TABLE credits_adminsettings DROP CONSTRAINT feature_costs_valid",
        """UPDATE credits_adminsettings SET feature_costs = '{"ai_text_chat": 1.5}'""",
    ],
    "user_has_an_account": [
        "DELETE FROM credits_account WHERE id = (SELECT max(id) FROM credits_user)"
    ],
    "admins_rows_are_in_the_audit": ["DELETE FROM credits_auditentry WHERE credits = 5"],
    "audit_has_its_row": ["UPDATE credits_auditentry SET credits = 6 WHERE credits = 5"],
    "guards_stand": [f"DROP TRIGGER i3_usage_append_only ON {USAGE}"],
}


@pytest.fixture
def busy_ledger(alice: User, bob: User, clock: Clock) -> None:
    make_busy(alice, bob, clock)


def make_busy(alice: User, bob: User, clock: Clock, *, key: str = "1") -> None:
    """A charge of 7 of which 3 came back, 4 that came back after their grant had expired, a hold,
    grants, a price, an adjustment of 5."""
    make_grant(bob, 4, expires_at=clock.now() + timedelta(days=1), priority=1)
    late = make_charge(bob, 4, hold=True)
    clock.move(days=2)
    expire_credits()
    release_charge(charge_id=late.id, reason="test")
    charge = make_charge(alice, 7)
    refund_charge(charge_id=charge.id, reason="test", idempotency_key=f"r{key}", amount=3)
    make_grant(alice, 20)
    make_charge(alice, 2, hold=True)
    set_price("ai_text_chat", 2)
    adjust_credits(user_id=alice.pk, delta=5, reason="r", actor="x", idempotency_key=f"a{key}")


@contextmanager
def broken_by(statements: list[str]) -> Iterator[None]:
    """The ledger with the guards off and something wrong, until the end of the block."""
    with transaction.atomic():
        sql("SET CONSTRAINTS ALL IMMEDIATE")
        sql("SET LOCAL session_replication_role = replica")
        for statement in statements:
            sql(statement)
        sql("SET LOCAL session_replication_role = origin")
        yield
        transaction.set_rollback(True)


def test_every_check_has_a_difference_to_be_tried_on() -> None:
    """Those of uses, limits and keys, packs, the rollup and Clerk have tests of their own."""
    elsewhere = {"I8", "I9", "I10", "I11", "I12", "Clerk", "packs", "rollup"}
    own = {check.name for check in CHECKS if check.invariant not in elsewhere}
    assert DIFFERENCES.keys() == own


@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_difference_is_found_and_named(name: str, busy_ledger: None) -> None:
    with broken_by(DIFFERENCES[name]):
        found = {result.check.name: result for result in run_checks()}[name]
    assert not found.ok
    assert found.offences >= len(found.offenders) >= 1


@pytest.mark.django_db(transaction=True)
def test_a_difference_in_what_changed_is_found_and_named(
    alice: User, bob: User, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the whole check does, and beside rows that the last clean run has seen."""
    make_busy(alice, bob, clock)
    check_and_keep(grace=NO_SWEEPER)
    set_price("ai_text_chat", 1)
    make_charge(alice, 5)  # The adjustment's, so that the next are paid as the first were.
    make_busy(alice, bob, clock, key="2")
    assert not [result for result in run_checks(changed=True, grace=NO_SWEEPER) if not result.ok]
    for check in CHECKS:
        if statements := DIFFERENCES.get(check.name):
            monkeypatch.setattr("credits.integrity.run.CHECKS", [check])
            with broken_by(statements):
                [found] = run_checks(changed=True)
            assert found.offences >= len(found.offenders) >= 1, check.name
    monkeypatch.undo()


@pytest.mark.parametrize(
    "nulls", ["unit_cost = NULL, quantity = 1", "unit_cost = 7, quantity = NULL"]
)
def test_no_check_is_fooled_by_nulls(nulls: str, busy_ledger: None) -> None:
    with broken_by([f"UPDATE {USAGE} SET {nulls} WHERE credits_used = 7"]):
        broken = {result.check.name for result in run_checks() if not result.ok}
    assert "charge_is_price_times_quantity" in broken


def test_a_disabled_guard_is_a_difference(busy_ledger: None) -> None:
    with broken_by([f"ALTER TABLE {BALANCE} DISABLE TRIGGER i2_balance_stays"]):
        [found] = [result for result in run_checks() if not result.ok]
    assert found.offenders == [f"i2_balance_stays on {BALANCE}"]


def test_sessions_that_pass_by_all_guards_are_a_difference(busy_ledger: None) -> None:
    """As after ALTER DATABASE … SET session_replication_role, which leaves each guard standing."""
    with transaction.atomic():
        sql("SET LOCAL session_replication_role = replica")
        [found] = [result for result in run_checks() if not result.ok]
        sql("SET LOCAL session_replication_role = origin")
    assert (found.check.name, found.offences) == ("guards_stand", sum(map(len, TRIGGERS.values())))


def test_a_clean_ledger_passes_and_says_what_was_checked(busy_ledger: None) -> None:
    out = StringIO()
    call_command("check_ledger", stdout=out)
    lines = out.getvalue().splitlines()
    assert len(lines) == len(CHECKS) + 1
    assert all(line.startswith("ok ") for line in lines[:-1])
    assert "Each balance is minus the sum of its user's rows. (2 rows)" in lines[1]
    assert lines[-1].endswith("0 failed.")


def test_a_difference_is_printed_with_its_offenders_and_fails(
    busy_ledger: None, alice: User
) -> None:
    out = StringIO()
    broken = f"UPDATE {BALANCE} SET credits_remaining = 5 WHERE account_id = {alice.pk}"
    with broken_by([broken]), pytest.raises(CommandError) as failure:
        call_command("check_ledger", stdout=out)
    assert failure.value.returncode == 1
    assert f"balance_is_the_journal: 1; user: {alice.pk}\n" in out.getvalue()


def test_only_the_first_offenders_are_named() -> None:
    line = describe(CheckResult(CHECKS[0], 1_000_000, 1234, ["1", "2", "3", "4", "5"]))
    assert line.endswith("balance_not_negative: 1,234; first user: 1, 2, 3, 4, 5")


def test_the_sweeper_may_be_a_little_late(alice: User, clock: Clock) -> None:
    make_grant(alice, 5, expires_at=clock.now() + timedelta(seconds=60))
    make_charge(alice, hold=True, lease_seconds=60)
    clock.move(seconds=90)
    assert_ledger_is_consistent(grace=timedelta(seconds=60))
    late = {result.check.name for result in run_checks(grace=timedelta(seconds=5)) if not result.ok}
    assert late == {"hold_ends_in_time", "expiry_in_time"}


@pytest.mark.django_db(transaction=True)
def test_the_checks_are_right_while_credits_are_spent(alice: User) -> None:
    """Both sides of each comparison are read at one moment: a row that comes in between must not
    look like a difference."""
    make_grant(alice, 10**6)
    ended = Event()

    def spend() -> int:
        spent = 0
        while not ended.is_set():
            make_charge(alice, hold=bool(spent % 2), lease_seconds=1)
            spent += 1
        return spent

    spender = in_background(spend)
    try:
        for _ in range(15):
            assert_ledger_is_consistent()
    finally:
        ended.set()
    assert spender.result() > 15
    assert CreditGrant.objects.count() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("changed", [False, True])
def test_all_checks_look_at_one_moment_and_write_nothing(changed: bool) -> None:
    settings = ("transaction_isolation", "transaction_read_only")
    query = "SELECT " + " || ' ' || ".join(f"current_setting('{name}')" for name in settings)
    ask = Check("ask", "I2", "What kind of transaction this is.", "kind", BALANCE, query)
    check_and_keep()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("credits.integrity.run.CHECKS", [ask])
        [answer] = run_checks(changed=changed)
    assert answer.offenders == ["repeatable read on"]


DOINGS = [Reason.STOPPED_EARLY, Reason.TIMEOUT]


@pytest.mark.parametrize("first", DOINGS)
@pytest.mark.parametrize("second", DOINGS)
def test_returns_of_expired_and_live_credits_in_turn_are_no_difference(
    first: Reason, second: Reason, alice: User, clock: Clock
) -> None:
    """What came back is charged, and comes back to the same grant: that refund did not fill it."""
    make_grant(alice, 4, expires_at=clock.now() + timedelta(days=1), priority=1)
    charge = make_charge(alice, 4, hold=True)
    clock.move(days=2)
    release_charge(charge_id=charge.id, reason=first)
    again = make_charge(alice, 4, hold=True)
    release_charge(charge_id=again.id, reason=second)
    assert_ledger_is_consistent()
    clock.move(days=40)
    make_charge(alice)
    assert_ledger_is_consistent()


def test_a_payers_return_that_was_spent_is_a_difference(alice: User, clock: Clock) -> None:
    """As if the ledger had let it live until the next read."""
    make_grant(alice, 4, expires_at=clock.now() + timedelta(days=1), priority=1)
    charge = make_charge(alice, 4, hold=True)
    clock.move(days=2)
    release_charge(charge_id=charge.id, reason=Reason.TIMEOUT)
    settle_charge(charge_id=make_charge(alice, 1, hold=True).id)
    clock.move(days=40)
    expire_credits()
    with broken_by([f"UPDATE {USAGE} SET by_payer = true WHERE refund_of_id IS NOT NULL"]):
        broken = {result.check.name for result in run_checks() if not result.ok}
    assert broken == {"payer_prolongs_nothing"}
