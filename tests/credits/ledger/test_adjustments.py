"""An admin's signed change, with its reason."""

from typing import Any

import pytest

from credits.adjustments import Adjustment, adjust_credits
from credits.exceptions import IdempotencyConflict, InsufficientCredits, LedgerError
from credits.models import CreditGrant, UsageHistory, User
from tests.factories import make_charge
from tests.ledger import sql_balance

pytestmark = pytest.mark.django_db


def adjust(user: User, key: str = "k", **change: Any) -> Adjustment:
    return adjust_credits(
        user_id=user.pk, reason=" goodwill ", actor="admin", idempotency_key=key, **change
    )


def test_an_increase_comes_as_a_grant_that_does_not_expire(alice: User) -> None:
    answer = adjust(alice, delta=5)
    assert answer.usage_id
    row = UsageHistory.objects.get(pk=answer.usage_id)
    assert (row.operation_type, row.credits_used, row.balance_after) == ("ADJUSTMENT", -5, 105)
    assert row.details == {"reason": "goodwill", "actor": "admin"}
    assert row.grant
    grant = row.grant
    assert (grant.source, grant.remaining, grant.expires_at) == ("adjustment", 5, None)


def test_a_decrease_burns_grants_in_order(alice: User) -> None:
    answer = adjust(alice, delta=-30)
    assert answer == Adjustment(answer.usage_id, -30, 70, replayed=False)
    assert CreditGrant.objects.get(user=alice).remaining == 70


@pytest.mark.parametrize(("target", "change"), [(250, 150), (100, 0), (40, -60), (0, -100)])
def test_a_target_is_reached_from_wherever_the_balance_is(
    target: int, change: int, alice: User
) -> None:
    answer = adjust(alice, target=target)
    assert (answer.change, answer.balance, sql_balance(alice)) == (change, target, target)
    assert (answer.usage_id is None) == (change == 0)


def test_a_user_without_a_balance_can_be_given_one(carol: User) -> None:
    assert adjust(carol, target=9).balance == 9


def test_nothing_to_change_leaves_no_row(alice: User) -> None:
    assert adjust(alice, delta=0) == Adjustment(None, 0, 100, replayed=False)


@pytest.mark.parametrize("change", [{"delta": -101}, {"target": -1}])
def test_no_adjustment_goes_below_zero(change: dict[str, Any], alice: User) -> None:
    with pytest.raises(InsufficientCredits) as refusal:
        adjust(alice, **change)
    assert (refusal.value.required, refusal.value.available) == (101, 100)


@pytest.mark.parametrize(
    "change",
    [{}, {"delta": 1, "target": 1}, {"delta": 10**30}, {"delta": -(10**13)}, {"target": 2**63}],
)
def test_an_adjustment_is_either_a_delta_or_a_target_within_bounds(
    change: dict[str, Any], alice: User
) -> None:
    with pytest.raises(LedgerError):
        adjust(alice, **change)


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_an_adjustment_gives_its_reason(reason: str, alice: User) -> None:
    with pytest.raises(LedgerError, match="reason"):
        adjust_credits(user_id=alice.pk, reason=reason, actor="admin", idempotency_key="k", delta=1)


def test_a_target_set_twice_with_one_key_is_set_once(alice: User) -> None:
    adjust(alice, target=50)
    make_charge(alice, 10)
    assert adjust(alice, target=50).replayed
    assert sql_balance(alice) == 40


@pytest.mark.parametrize(
    "other",
    [
        {"delta": 6},
        {"target": 105},
        {"reason": "a correction"},
        {"delta": None, "target": 5},
    ],
)
def test_a_key_stands_for_one_adjustment_and_its_reason(other: dict[str, Any], alice: User) -> None:
    asked: dict[str, Any] = {"user_id": alice.pk, "idempotency_key": "k", "delta": 5}
    asked |= {"reason": "goodwill", "actor": "admin"}
    adjust_credits(**asked)
    if "target" in other:
        other = {"delta": None, **other}
    with pytest.raises(IdempotencyConflict):
        adjust_credits(**{**asked, **other})
    assert adjust_credits(**{**asked, "reason": " goodwill\n"}).replayed
    assert sql_balance(alice) == 105
