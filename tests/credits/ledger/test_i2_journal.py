"""I2: every change of a balance has its row, in the same transaction, and the rows chain."""

import pytest
from django.db import transaction

from credits.ledger import release_charge
from credits.models import CreditBalance, UsageHistory, User
from tests.clock import Clock
from tests.factories import make_charge, make_user
from tests.ledger import NO_CHARGE, insert_row, refused_by, sql, sql_balance
from tests.parallel import backend_pid, in_background, in_parallel, wait_until_blocked


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("UPDATE credits_creditbalance SET credits_remaining = 5", "i2_balance_by_journal_only"),
        (
            "UPDATE credits_creditbalance SET credits_remaining = credits_remaining + 1",
            "i2_balance_by_journal_only",
        ),
        ("UPDATE credits_creditbalance SET last_usage_id = 0", "i2_balance_by_journal_only"),
        ("UPDATE credits_creditbalance SET account_id = -1", "i2_balance_by_journal_only"),
        ("DELETE FROM credits_creditbalance", "i2_balance_stays"),
        ("TRUNCATE credits_creditbalance", "i2_no_truncate"),
        (
            "INSERT INTO credits_creditbalance SELECT id, 7, 0 FROM credits_user",
            "i2_balance_starts_empty",
        ),
        (
            "INSERT INTO credits_creditbalance SELECT id, 0, 7 FROM credits_user",
            "i2_balance_starts_empty",
        ),
        (
            (
                "INSERT INTO credits_creditbalance"
                " SELECT account_id, 0, 0 FROM credits_creditbalance"
                " ON CONFLICT (account_id) DO UPDATE SET credits_remaining = 9"
            ),
            "i2_balance_by_journal_only",
        ),
        (
            (
                "MERGE INTO credits_creditbalance b USING credits_user u ON u.id = b.account_id"
                " WHEN MATCHED THEN UPDATE SET credits_remaining = 9"
            ),
            "i2_balance_by_journal_only",
        ),
    ],
)
def test_a_balance_changes_by_the_journal_only(statement: str, rule: str, alice: User) -> None:
    with refused_by(rule):
        sql(statement)


def test_the_orm_is_refused_as_sql_is(alice: User) -> None:
    with refused_by("i2_balance_by_journal_only"):
        CreditBalance.objects.update(credits_remaining=1_000_000)
    with refused_by("i2_balance_by_journal_only"):
        CreditBalance(user=alice, credits_remaining=7).save()


def test_a_row_put_in_by_hand_moves_the_balance(alice: User) -> None:
    row = insert_row(alice, credits_used=3)
    assert sql_balance(alice) == 97
    assert CreditBalance.objects.get(user=alice).last_usage_id == row


@pytest.mark.parametrize(
    ("columns", "rule"),
    [
        ({"account_id": -1}, "i2_row_follows_the_last"),
        ({**NO_CHARGE, "refund_of_id": -1, "credits_used": -1}, "i4_refund_names_its_charge"),
        ({**NO_CHARGE, "grant_id": -1, "operation_type": "ADJUSTMENT"}, "i5_row_fits_its_grant"),
    ],
)
def test_what_a_row_names_is_there_without_foreign_keys(
    columns: dict[str, object], rule: str, alice: User
) -> None:
    with refused_by(rule):
        insert_row(alice, **columns)


@pytest.mark.parametrize("wrong", [100, 98, 0, -1, 10**18])
def test_a_row_with_a_balance_that_does_not_chain_is_refused(wrong: int, alice: User) -> None:
    with refused_by("i2_row_follows_the_last"):
        insert_row(alice, balance_after=wrong)


def test_a_row_before_the_last_one_is_refused(alice: User) -> None:
    with refused_by("i2_row_follows_the_last"):
        insert_row(alice, id=-5)


def test_a_row_for_nobody_is_refused(alice: User) -> None:
    with refused_by("credits_usagehistory_account_id_", "i2_row_follows_the_last"):
        insert_row(User(pk=-1))


def test_a_row_dated_elsewhere_is_refused(alice: User, clock: Clock) -> None:
    for moment in (clock.now().replace(year=2020), clock.now().replace(year=2120)):
        with refused_by("i2_row_dated_now"):
            insert_row(alice, created_at=moment)


def test_an_insert_that_does_nothing_on_conflict_moves_nothing(alice: User) -> None:
    make_charge(alice, idempotency_key="k")
    sql(
        "INSERT INTO credits_usagehistory (account_id, operation_type, credits_used, balance_after,"
        " unit_cost, quantity, details, idempotency_key)"
        " VALUES (%s, 'AI_TEXT_CHAT', 5, 94, 5, 1, '{}', 'k') ON CONFLICT DO NOTHING",
        alice.pk,
    )
    assert sql_balance(alice) == 99


def test_several_rows_of_one_statement_chain_or_are_refused(alice: User) -> None:
    insert = (
        "INSERT INTO credits_usagehistory (account_id, operation_type, credits_used, balance_after,"
        " unit_cost, quantity, details) VALUES (%s, 'AI_TEXT_CHAT', 1, 99, 1, 1, '{}'),"
        " (%s, 'AI_TEXT_CHAT', 1, %s, 1, 1, '{}')"
    )
    with refused_by("i2_row_follows_the_last"):
        sql(insert, alice.pk, alice.pk, 99)
    sql(insert, alice.pk, alice.pk, 98)
    assert sql_balance(alice) == 98


@pytest.mark.django_db(transaction=True)
def test_a_refund_beside_a_spend_takes_its_id_in_turn(alice: User) -> None:
    """The refund must not take its row's id before it waits for the balance: the spend's row would
    overtake it, and the refund be refused as out of order."""
    charge = make_charge(alice, 2, hold=True)
    with transaction.atomic():
        sql("SELECT FROM credits_creditbalance WHERE account_id = %s FOR UPDATE", alice.pk)
        ending = in_background(lambda: release_charge(charge_id=charge.id, reason="test"))
        wait_until_blocked(by=backend_pid())
        make_charge(alice)
    assert ending.result().refunded == 2


@pytest.mark.django_db(transaction=True)
def test_the_chain_holds_after_parallel_spends_of_several_users() -> None:
    users = [make_user(credits=30) for _ in range(3)]
    in_parallel(12, lambda number: [make_charge(users[number % 3]) for _ in range(5)])
    assert UsageHistory.objects.count() == 3 + 60
    assert [sql_balance(user) for user in users] == [10, 10, 10]
