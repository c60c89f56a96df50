"""I5 by hand: grants and allocations refuse what the journal did not do."""

from datetime import timedelta

import pytest

from credits.ledger import expire_credits
from credits.models import CreditGrant, User
from tests.clock import Clock
from tests.factories import make_charge, make_grant, make_user
from tests.ledger import NO_CHARGE, insert_row, refused_by, sql, sql_balance

pytestmark = pytest.mark.django_db

RAW_GRANT = (
    "INSERT INTO credits_creditgrant"
    " (account_id, source, amount, remaining, priority, expired, key, details)"
    " VALUES (%s, %s, %s, %s, 1, false, 'by hand', '{}') RETURNING id"
)


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("UPDATE credits_creditgrant SET remaining = 1", "i5_grant_by_journal_only"),
        ("UPDATE credits_creditgrant SET amount = 1000", "i5_grant_by_journal_only"),
        ("UPDATE credits_creditgrant SET id = -1", "i5_grant_by_journal_only"),
        ("UPDATE credits_creditgrant SET source = 'plan'", "i5_grant_by_journal_only"),
        ("UPDATE credits_creditgrant SET account_id = -1", "i5_grant_by_journal_only"),
        ("UPDATE credits_creditgrant SET key = 'free'", "i5_grant_by_journal_only"),
        ("UPDATE credits_creditgrant SET replaces_id = id", "i5_grant_by_journal_only"),
        ("UPDATE credits_creditgrant SET expired = true", "i5_expired_grant_is_empty"),
        ("DELETE FROM credits_creditgrant", "i5_grant_stays"),
        ("TRUNCATE credits_creditgrant CASCADE", "i5_no_truncate"),
        (
            (
                "INSERT INTO credits_grantallocation (usage_id, grant_id, amount)"
                " SELECT u.id, g.id, 1 FROM credits_usagehistory u, credits_creditgrant g"
            ),
            "i5_allocation_by_journal_only",
        ),
        ("UPDATE credits_grantallocation SET amount = 1", "i5_allocation_append_only"),
        ("DELETE FROM credits_grantallocation", "i5_allocation_append_only"),
        ("TRUNCATE credits_grantallocation", "i5_no_truncate"),
    ],
)
def test_grants_change_by_the_journal_only(statement: str, rule: str, alice: User) -> None:
    with refused_by(rule, "i3_no_truncate"):
        sql(statement)


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("UPDATE credits_creditgrant SET amount = 0, remaining = 0", "grant_amount_positive"),
        ("UPDATE credits_creditgrant SET remaining = -1", "i5_grant_remaining_within_amount"),
        (
            "UPDATE credits_creditgrant SET remaining = amount + 1",
            "i5_grant_remaining_within_amount",
        ),
        ("UPDATE credits_creditgrant SET expired = true", "i5_expired_grant_is_empty"),
        ("UPDATE credits_grantallocation SET amount = 0", "allocation_not_zero"),
    ],
)
def test_no_grant_is_written_that_makes_no_sense_even_without_the_triggers(
    statement: str, rule: str, alice: User
) -> None:
    with refused_by(rule):
        sql("SET LOCAL session_replication_role = replica")
        sql(statement)


def test_grants_cannot_be_emptied_with_all_that_refers_to_them(alice: User) -> None:
    with refused_by("i5_no_truncate", message="credits_creditgrant refuses TRUNCATE"):
        sql("TRUNCATE credits_creditgrant CASCADE")


def test_a_grant_that_begins_filled_is_refused(alice: User) -> None:
    with refused_by("i5_grant_starts_empty"):
        sql(RAW_GRANT, alice.pk, "pack", 5, 5)


def test_a_grant_without_the_row_that_fills_it_is_refused(alice: User) -> None:
    with refused_by("i5_grant_comes_with_its_row"):
        sql(RAW_GRANT, alice.pk, "pack", 5, 0)


def fill(user: User, grant_id: int, amount: int, **columns: object) -> int:
    row = {"operation_type": "GRANT", "credits_used": -amount, "grant_id": grant_id}
    return insert_row(user, **{**row, **NO_CHARGE, **columns})


@pytest.mark.parametrize("amount", [1, 49, 51, 100])
def test_a_grant_is_filled_whole_or_not_at_all(amount: int, alice: User) -> None:
    grant = sql(RAW_GRANT, alice.pk, "pack", 50, 0)[0][0]
    try:
        with refused_by("i5_row_fits_its_grant", at_once=False):
            fill(alice, grant, amount)
    finally:
        fill(alice, grant, 50)


def test_a_grant_is_filled_once(alice: User) -> None:
    grant = CreditGrant.objects.get(user=alice)
    make_charge(alice, 100)
    with refused_by("i5_grant_posted_once"):
        fill(alice, grant.pk, 100)


def test_a_grant_is_filled_by_its_own_user(alice: User, bob: User) -> None:
    with refused_by("i5_row_fits_its_grant", at_once=False):
        fill(bob, sql(RAW_GRANT, alice.pk, "pack", 50, 0)[0][0], 50)


def test_a_refunds_grant_is_filled_by_a_refund_only(alice: User) -> None:
    dated = RAW_GRANT.replace("(account_id", "(expires_at, account_id").replace(
        "VALUES (", "VALUES (now() + interval '1 day', "
    )
    with refused_by("i5_row_fits_its_grant", at_once=False):
        fill(alice, sql(dated, alice.pk, "refund", 50, 0)[0][0], 50)


def test_a_refunds_grant_has_an_end(alice: User) -> None:
    with refused_by("grant_of_refund_expires"):
        sql(RAW_GRANT, alice.pk, "refund", 50, 0)


@pytest.mark.parametrize(
    ("source", "columns"),
    [("pack", "subscription_item_id"), ("plan", "period_id"), ("pack", "period_id")],
)
def test_only_a_plans_grant_has_an_item_and_a_period_of_it(
    source: str, columns: str, alice: User
) -> None:
    of_item = RAW_GRANT.replace("(account_id", f"({columns}, account_id", 1)
    with refused_by("grant_of_item_is_plan_s"):
        sql(of_item.replace("VALUES (", "VALUES (1, "), alice.pk, source, 5, 0)


@pytest.mark.parametrize("row", [{"credits_used": 5}, {"credits_used": 0}])
def test_only_refunds_come_by_the_payers_doing(row: dict[str, int], alice: User) -> None:
    with refused_by("usage_by_payer_is_refund_s"):
        insert_row(alice, by_payer=True, **row)


@pytest.mark.parametrize("seconds", [-1, 0, 59])
def test_a_refund_by_hand_leaves_at_once_too(seconds: int, clock: Clock) -> None:
    """Whatever time, within the minute that is let pass, its row bears."""
    user, start = make_user(), clock.freeze()
    make_grant(user, 10, expires_at=start + timedelta(days=1))
    charge = make_charge(user, 6)
    now = clock.move(days=2)
    expire_credits()
    insert_row(
        user,
        **{**NO_CHARGE, "credits_used": -6, "refund_of_id": charge.id, "by_payer": True},
        details='{"refund": true, "reason": "test"}',
        created_at=now + timedelta(seconds=seconds),
    )
    assert sql_balance(user) == 0


def test_a_live_grant_cannot_be_expired(alice: User, clock: Clock) -> None:
    dated = make_grant(alice, 10, expires_at=clock.now() + timedelta(days=1))
    for grant in (CreditGrant.objects.get(user=alice, amount=100).pk, dated.id):
        with refused_by("i5_row_fits_its_grant"):
            fill(alice, grant, -10, operation_type="EXPIRY")


def test_an_expiry_takes_all_that_is_left(alice: User, clock: Clock) -> None:
    dated = make_grant(alice, 10, expires_at=clock.now() + timedelta(days=1))
    clock.move(days=2)
    with refused_by("i5_row_fits_its_grant"):
        fill(alice, dated.id, -9, operation_type="EXPIRY", created_at=clock.now())


def test_a_row_by_hand_cannot_spend_expired_credits(clock: Clock) -> None:
    user = make_user()
    make_grant(user, 10, expires_at=clock.now() + timedelta(days=1))
    clock.move(days=2)
    with refused_by("i5_grants_pay_in_full", message="expired ones leave first"):
        insert_row(user, credits_used=5, created_at=clock.now())
