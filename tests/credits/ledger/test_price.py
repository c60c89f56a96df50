"""The price is read in the statement that charges, and stands on the row."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import DataError, IntegrityError, transaction

from credits.exceptions import (
    InsufficientCredits,
    LedgerError,
    ModelNotOffered,
    PriceChanged,
)
from credits.features import (
    CHARGE_TYPES,
    FEATURE_CREDIT_COSTS,
    FEATURES,
    MAX_FEATURE_COST,
    OperationType,
    UnknownFeature,
)
from credits.ledger import (
    deduct_credits_for_feature,
    get_balance,
    grant_credits,
    refund_charge,
    settle_charge,
)
from credits.models import AdminSettings, CreditGrant, UsageHistory, User
from tests.factories import make_charge, make_grant, make_model, make_user, set_price
from tests.ledger import NO_CHARGE, insert_row, refused_by, sql, sql_balance

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("feature", FEATURES)
def test_the_default_price_holds_until_an_admin_sets_one(feature: str, alice: User) -> None:
    spend: dict[str, Any] = {"user_id": alice.pk, "feature": feature}
    assert deduct_credits_for_feature(**spend).unit_cost == FEATURE_CREDIT_COSTS[feature]
    set_price(feature, 13)
    assert deduct_credits_for_feature(**spend).unit_cost == 13


def test_a_new_price_changes_no_row_that_stands(alice: User) -> None:
    charge = make_charge(alice, 2)
    set_price("ai_text_chat", 9)
    row = UsageHistory.objects.get(pk=charge.id)
    assert (row.unit_cost, row.quantity, row.credits_used) == (1, 2, 2)


def test_a_price_of_one_feature_is_no_price_of_another(alice: User) -> None:
    set_price("ai_image_generation", 50)
    assert make_charge(alice).unit_cost == 1


def test_a_free_feature_is_free_for_a_user_without_credits(carol: User) -> None:
    set_price("ai_text_chat", 0)
    charge = make_charge(carol, 4)
    assert (charge.credits, charge.balance) == (0, 0)
    assert UsageHistory.objects.get(user=carol).credits_used == 0


def test_the_largest_price_is_charged_whole() -> None:
    user = make_user(credits=10 * MAX_FEATURE_COST)
    set_price("ai_text_chat", MAX_FEATURE_COST)
    make_model("large", price_factor=3)
    assert make_charge(user, 2, model="large").credits == 6 * MAX_FEATURE_COST


def test_a_models_price_factor_is_part_of_the_unit_cost(alice: User) -> None:
    make_model("large", price_factor=5)
    charge = make_charge(alice, 2, model="large")
    assert (charge.unit_cost, charge.credits) == (5, 10)
    set_price("ai_text_chat", 3)
    assert make_charge(alice, 2, model="large").credits == 30
    set_price("ai_text_chat", 0)
    assert make_charge(alice, 2, model="large").credits == 0


@pytest.mark.parametrize(
    "fields",
    [{"name": "other"}, {"feature": "ai_image_generation"}, {"active": False}],
    ids=["unknown", "of another feature", "retired"],
)
def test_a_model_that_is_not_offered_is_not_charged(fields: dict[str, Any], alice: User) -> None:
    make_model(**{"name": "large", **fields})
    with pytest.raises(ModelNotOffered):
        make_charge(alice, model="large")
    assert sql_balance(alice) == 100


def test_a_price_above_what_was_shown_is_not_charged(alice: User) -> None:
    set_price("ai_text_chat", 3)
    with pytest.raises(PriceChanged) as refusal:
        make_charge(alice, max_unit_cost=2)
    assert (refusal.value.agreed, refusal.value.unit_cost) == (2, 3)
    assert sql_balance(alice) == 100


@pytest.mark.parametrize("shown", [3, 4])
def test_a_price_at_or_below_what_was_shown_is_charged(shown: int, alice: User) -> None:
    set_price("ai_text_chat", 3)
    assert make_charge(alice, max_unit_cost=shown).credits == 3


def test_the_price_shown_counts_with_the_models_factor(alice: User) -> None:
    make_model("large", price_factor=4)
    with pytest.raises(PriceChanged):
        make_charge(alice, model="large", max_unit_cost=3)


def test_a_charge_is_one_round_trip(alice: User, django_assert_num_queries: Any) -> None:
    set_price("ai_text_chat", 3)
    with django_assert_num_queries(1):
        make_charge(alice, 2, idempotency_key="k", hold=True)


def test_every_operation_is_one_round_trip(alice: User, django_assert_num_queries: Any) -> None:
    held, charge = make_charge(alice, 4, hold=True), make_charge(alice)
    operations: list[Callable[[], object]] = [
        lambda: get_balance(user_id=alice.pk),
        lambda: settle_charge(charge_id=held.id, delivered=2),
        lambda: refund_charge(charge_id=charge.id, reason="test", idempotency_key="r"),
        lambda: grant_credits(user_id=alice.pk, source=CreditGrant.Source.PACK, amount=5, key="g"),
    ]
    for operation in operations:
        with django_assert_num_queries(1):
            operation()


@pytest.mark.parametrize(
    "cost", ["-1", "1.5", "1000001", "1e7", '"5"', "true", "null", "[5]", "{}", "-0.0001"]
)
def test_the_database_refuses_a_price_that_is_none(cost: str, alice: User) -> None:
    AdminSettings.objects.create(feature_costs={})
    for costs in (f'{{"ai_text_chat": {cost}}}', f'{{"ai_text_chat": 1, "other": {cost}}}'):
        with refused_by("feature_costs_valid"):
            sql("UPDATE credits_adminsettings SET feature_costs = %s", costs)
    with refused_by("feature_costs_valid"):
        set_price("ai_text_chat", json.loads(cost))
    assert make_charge(alice).unit_cost == 1


@pytest.mark.parametrize("costs", ["[]", "5", "null", '"ai_text_chat"'])
def test_the_database_refuses_prices_that_are_no_object(costs: str) -> None:
    with refused_by("feature_costs_valid"):
        sql("INSERT INTO credits_adminsettings VALUES (1, %s, now())", costs)


@pytest.mark.parametrize("cost", [float("nan"), float("inf")])
def test_the_database_refuses_what_is_no_number_in_json(cost: float) -> None:
    with pytest.raises(DataError), transaction.atomic():
        AdminSettings.objects.create(feature_costs={"ai_text_chat": cost})


@pytest.mark.parametrize("cost", ["0", "7", "7.0", "1e3", "1000000"])
def test_a_whole_number_however_written_is_a_price(cost: str) -> None:
    user = make_user(credits=MAX_FEATURE_COST)
    sql("INSERT INTO credits_adminsettings VALUES (1, %s, now())", f'{{"ai_text_chat": {cost}}}')
    assert make_charge(user).credits == int(float(cost))


def test_the_bound_of_a_price_is_the_same_in_python_and_in_the_database() -> None:
    set_price("ai_text_chat", MAX_FEATURE_COST)
    with refused_by("feature_costs_valid"):
        set_price("ai_text_chat", MAX_FEATURE_COST + 1)


def test_there_is_one_row_of_settings() -> None:
    AdminSettings.objects.create(feature_costs={})
    with refused_by("admin_settings_one_row"):
        AdminSettings.objects.create(id=2, feature_costs={})


def test_an_unknown_feature_is_not_charged(alice: User) -> None:
    with pytest.raises(UnknownFeature):
        deduct_credits_for_feature(user_id=alice.pk, feature="ai_mind_reading")


# --- Shape of a row ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "columns",
    [
        {"unit_cost": None, "quantity": None},
        {"unit_cost": 5, "quantity": None},
        {"unit_cost": None, "quantity": 5},
        {"unit_cost": 2, "quantity": 2},
        {"unit_cost": -5, "quantity": -1},
        {"unit_cost": -5, "quantity": 1},
        {"unit_cost": 5, "quantity": 0},
        {"credits_used": -5, "unit_cost": -5, "quantity": 1},
        {"credits_used": -5, **NO_CHARGE},
        {"operation_type": "GRANT"},
        {"operation_type": "EXPIRY", **NO_CHARGE},
        {"operation_type": "ADJUSTMENT"},
        {"operation_type": "ADJUSTMENT", "credits_used": -5, **NO_CHARGE},
        {"operation_type": "ADJUSTMENT", "credits_used": 0, **NO_CHARGE},
    ],
)
def test_the_database_refuses_a_row_that_is_neither_charge_nor_anything_else(
    columns: dict[str, object], alice: User
) -> None:
    with refused_by("usage_row_shape"):
        insert_row(alice, **{"credits_used": 5, **columns})


def test_the_database_charges_for_the_features_and_nothing_else() -> None:
    query = "SELECT operation FROM unnest(%s::text[]) operation WHERE credits_is_charged(operation)"
    assert [each for (each,) in sql(query, OperationType.values)] == CHARGE_TYPES


def test_the_database_refuses_an_unknown_operation(alice: User) -> None:
    with refused_by("usage_operation_known"):
        insert_row(alice, operation_type="AI_MIND_READING")


# --- Amounts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("quantity", [0, -1, 1001, 10**19])
def test_a_quantity_is_bounded(quantity: int, alice: User) -> None:
    with pytest.raises(LedgerError, match="quantity"):
        make_charge(alice, quantity)


@pytest.mark.parametrize("factor", [0, 1000])
def test_the_database_bounds_a_models_price_factor(factor: int) -> None:
    with refused_by("model_price_factor"):
        make_model("large", price_factor=factor)


@pytest.mark.parametrize("amount", [0, -1, 10**12 + 1, 2**63, 10**30])
def test_a_grant_is_bounded(amount: int, alice: User) -> None:
    with pytest.raises(LedgerError, match="grant"):
        make_grant(alice, amount)


def test_a_balance_that_would_overflow_is_refused_not_wrapped(alice: User) -> None:
    sql("SET LOCAL session_replication_role = replica")
    sql("UPDATE credits_creditbalance SET credits_remaining = %s", 2**63 - 1)
    with pytest.raises(DataError), transaction.atomic():
        make_grant(alice, 1)
    sql("UPDATE credits_creditbalance SET credits_remaining = 100")
    sql("SET LOCAL session_replication_role = origin")


def charge_for_free(user: User) -> None:
    set_price("ai_text_chat", 0)
    make_charge(user)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("act", [lambda user: make_grant(user, 5), make_charge, charge_for_free])
def test_an_unknown_user_is_refused_and_leaves_nothing(act: Callable[[User], object]) -> None:
    with pytest.raises((IntegrityError, InsufficientCredits)):
        act(User(pk=10**15))
    assert sql("SELECT count(*) FROM credits_creditbalance") == [(0,)]
