"""I11 attacked by hand: counters, limits, and whether an account is counted."""

from typing import Any

import pytest

from credits.exceptions import CreditsBusy, LimitReached
from credits.models import Use, User
from tests.credits.ledger.counting import (
    assert_counted,
)
from tests.factories import (
    make_charge,
    make_key,
    make_limit,
)
from tests.ledger import refused_by, sql

pytestmark = pytest.mark.django_db
together = pytest.mark.django_db(transaction=True)
PROVIDER = Use.Source.PROVIDER
REFUSED = (LimitReached, CreditsBusy)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE credits_spendday SET spent = 0",
        "UPDATE credits_spendday SET held = held + 1",
        "UPDATE credits_spendday SET changed_at = now()",
        "DELETE FROM credits_spendday",
        (
            "INSERT INTO credits_spendday (account_id, member_id, api_key_id, day, spent, held)"
            " SELECT account_id, 1, 0, day, 0, 0 FROM credits_spendday"
        ),
    ],
)
def test_nothing_is_counted_by_hand(alice: User, statement: str) -> None:
    make_limit(alice, 5)
    make_charge(alice)
    with refused_by("i11_spend_by_journal_only"):
        sql(statement)


def test_the_counters_cannot_be_emptied(alice: User) -> None:
    with refused_by("i11_no_truncate"):
        sql("TRUNCATE credits_spendday")


@pytest.mark.parametrize("values", ["-1, 0", "0, -1"])
def test_less_than_nothing_is_not_spent(alice: User, values: str) -> None:
    with refused_by("i11_spend_not_negative"):
        sql("SET LOCAL session_replication_role = replica")
        sql(
            "INSERT INTO credits_spendday (account_id, member_id, api_key_id, day, spent, held)"
            f" VALUES (1, 1, 0, '2030-01-01', {values})"
        )


def test_one_counter_for_each_day_member_and_key(alice: User) -> None:
    make_limit(alice, 5)
    make_charge(alice)
    with refused_by("credits_spendday_pkey"):
        sql("SET LOCAL session_replication_role = replica")
        sql("INSERT INTO credits_spendday SELECT * FROM credits_spendday")


def test_an_account_does_not_stop_or_begin_to_be_counted_by_hand(alice: User, bob: User) -> None:
    make_limit(alice, 5)
    for statement, user in (("false", alice), ("true", bob)):
        with refused_by("i11_counting_goes_on"):
            sql(
                f"UPDATE credits_creditbalance SET counted = {statement} WHERE account_id = %s",
                user.pk,
            )


def test_no_balance_comes_counted(carol: User) -> None:
    with refused_by("i11_counting_begins_with_a_limit"):
        sql(
            "INSERT INTO credits_creditbalance"
            " (account_id, credits_remaining, last_usage_id, counted) VALUES (%s, 0, 0, true)",
            carol.pk,
        )


def test_a_limit_by_hand_counts_as_any_other(alice: User) -> None:
    make_charge(alice, 3)
    sql(
        "INSERT INTO credits_limit (account_id, period, credits, hard, since, alert_at, by_admin)"
        " VALUES (%s, 'ever', 4, true, '2020-01-01', '{}', false)",
        alice.pk,
    )
    with pytest.raises(LimitReached):
        make_charge(alice, 2)


@pytest.mark.parametrize(
    ("rule", "fields"),
    [
        ("limit_credits", {"credits": -1}),
        ("limit_credits", {"credits": 10**12 + 1}),
        ("limit_period_known", {"period": "year"}),
    ],
)
def test_a_limit_has_its_bounds(alice: User, rule: str, fields: dict[str, Any]) -> None:
    with refused_by(rule):
        make_limit(alice, **{"credits": 5, **fields})


def test_a_limit_is_for_one_thing_once(alice: User, bob: User) -> None:
    key = make_key(alice)
    with refused_by("limit_one_scope"):
        make_limit(alice, 5, api_key=key, member=alice)
    make_limit(alice, 5)
    make_limit(alice, 5, by_admin=True)
    with refused_by("limit_once"):
        make_limit(alice, 6)
    with refused_by("limit_of_member"):
        make_limit(alice, 5, member=bob)
    with refused_by("key_of_member"):
        make_key(alice, bob)


def test_a_threshold_is_recorded_once(alice: User) -> None:
    limit = make_limit(alice, 5)
    row = "INSERT INTO credits_limitalert (limit_id, window_start, percent, credits) VALUES"
    sql(f"{row} (%s, '2030-01-01', 80, 5)", limit.pk)
    with refused_by("limit_alert_once"):
        sql(f"{row} (%s, '2030-01-01', 80, 5)", limit.pk)


def test_a_hold_that_is_deleted_by_hand_is_counted_as_ended(alice: User) -> None:
    """Whoever names the hold may end it, and then it counts as spent."""
    make_limit(alice, 5)
    charge = make_charge(alice, 2, hold=True)
    sql("SELECT set_config('credits.ending', %s, true)", str(charge.id))
    sql("DELETE FROM credits_hold WHERE charge_id = %s", charge.id)
    assert_counted(alice)
