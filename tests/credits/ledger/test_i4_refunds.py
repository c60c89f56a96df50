"""I4: a refund names its charge, returns what that charge took, and never more, however often."""

import pytest

from credits.exceptions import (
    ChargeHeld,
    IdempotencyConflict,
    LedgerError,
    NotACharge,
    RefundTooLarge,
)
from credits.ledger import Refund, get_balance, refund_charge, release_charge, settle_charge
from credits.models import UsageHistory, User
from tests.factories import make_charge, set_price
from tests.ledger import NO_CHARGE, insert_row, refused_by, sql_balance
from tests.parallel import count_of, in_parallel

pytestmark = pytest.mark.django_db
together = pytest.mark.django_db(transaction=True)


def refund(charge_id: int, key: str = "r", amount: int | None = None) -> Refund:
    return refund_charge(charge_id=charge_id, reason="test", idempotency_key=key, amount=amount)


def insert_refund(user: User, charge_id: int, amount: int = 1, **columns: object) -> int:
    return insert_row(
        user, credits_used=-amount, refund_of_id=charge_id, **{**NO_CHARGE, **columns}
    )


def test_a_refund_returns_what_is_left_of_the_charge_and_says_why(alice: User) -> None:
    charge = make_charge(alice, 10)
    assert refund(charge.id, "part", 4).credits == 4
    rest = refund(charge.id, "rest")
    row = UsageHistory.objects.get(pk=rest.id)
    assert (rest.credits, row.credits_used, row.refund_of_id) == (6, -6, charge.id)
    assert row.details == {"refund": True, "reason": "test"}
    assert get_balance(user_id=alice.pk).remaining == 100


def test_a_refund_returns_what_was_taken_whatever_the_price_is_now(alice: User) -> None:
    charge = make_charge(alice, 2)
    set_price("ai_text_chat", 40)
    assert refund(charge.id).credits == 2


@pytest.mark.parametrize("amount", [11, 10**12])
def test_more_than_the_charge_is_refused(amount: int, alice: User) -> None:
    charge = make_charge(alice, 10)
    with pytest.raises(RefundTooLarge) as refusal:
        refund(charge.id, amount=amount)
    assert refusal.value.available == 10


def test_more_than_is_left_of_the_charge_is_refused(alice: User) -> None:
    charge = make_charge(alice, 10)
    refund(charge.id, "first", 7)
    with pytest.raises(RefundTooLarge) as refusal:
        refund(charge.id, "second", 4)
    assert refusal.value.available == 3


def test_a_second_refund_of_the_whole_is_refused(alice: User) -> None:
    charge = make_charge(alice)
    refund(charge.id, "first")
    with pytest.raises(RefundTooLarge):
        refund(charge.id, "second")


def test_a_refund_asked_for_twice_is_made_once(alice: User) -> None:
    charge = make_charge(alice, 10)
    first, second = refund(charge.id, "k", 3), refund(charge.id, "k", 3)
    assert second == Refund(first.id, 3, replayed=True)
    assert sql_balance(alice) == 93


def test_a_refunds_key_means_one_charge_and_amount(alice: User) -> None:
    one, other = make_charge(alice, 10), make_charge(alice, 10)
    refund(one.id, "k", 3)
    for charge, amount in ((one, 4), (other, 3), (other, None)):
        with pytest.raises(IdempotencyConflict):
            refund(charge.id, "k", amount)


@pytest.mark.parametrize("amount", [0, -1, 10**19])
def test_a_refund_is_a_sensible_amount(amount: int, alice: User) -> None:
    charge = make_charge(alice)
    with pytest.raises(LedgerError):
        refund(charge.id, amount=amount)


def test_only_charges_can_be_refunded(alice: User) -> None:
    charge = make_charge(alice)
    refunded = refund(charge.id)
    grant = UsageHistory.objects.get(user=alice, operation_type="GRANT")
    for row in (refunded.id, grant.pk, 10**15):
        with pytest.raises(NotACharge):
            refund(row, "other")


def test_a_charge_in_flight_is_not_refunded(alice: User) -> None:
    charge = make_charge(alice, hold=True)
    with pytest.raises(ChargeHeld):
        refund(charge.id)
    with refused_by("i6_hold_ends_before_refund", message=f"I6: charge {charge.id} is held"):
        insert_refund(alice, charge.id)
    settle_charge(charge_id=charge.id)
    assert refund(charge.id).credits == 1


def test_a_free_charge_has_nothing_to_refund(alice: User) -> None:
    set_price("ai_text_chat", 0)
    charge = make_charge(alice, 5)
    with pytest.raises(RefundTooLarge):
        refund(charge.id)


def test_a_released_charge_is_not_refunded_again(alice: User) -> None:
    charge = make_charge(alice, 5, hold=True)
    release_charge(charge_id=charge.id, reason="test")
    with pytest.raises(RefundTooLarge):
        refund(charge.id)


def test_the_database_refuses_a_refund_of_another_users_charge(alice: User, bob: User) -> None:
    charge = make_charge(alice)
    with refused_by("i4_refund_names_its_charge"):
        insert_refund(bob, charge.id)


def test_the_database_refuses_a_refund_of_another_kind(alice: User) -> None:
    charge = make_charge(alice)
    with refused_by("i4_refund_names_its_charge"):
        insert_refund(alice, charge.id, operation_type="AI_IMAGE_GENERATION")


def test_the_database_refuses_a_refund_of_a_refund_and_of_a_grant(alice: User) -> None:
    charge = make_charge(alice, 2)
    grant = UsageHistory.objects.get(user=alice, operation_type="GRANT")
    for row in (refund(charge.id, amount=1).id, grant.pk):
        with refused_by("i4_refund_names_its_charge", message=f"I4: row {row} is no charge"):
            insert_refund(alice, row)


def test_the_database_refuses_a_refund_of_nothing(alice: User) -> None:
    with refused_by("credits_usagehistory_refund_of_id_", "i4_refund_names_its_charge"):
        insert_refund(alice, 10**15)


def test_the_database_refuses_more_than_the_charge(alice: User) -> None:
    charge = make_charge(alice, 10)
    with refused_by("i4_refunds_within_charge"):
        insert_refund(alice, charge.id, 11)
    insert_refund(alice, charge.id, 8, details='{"refund": true, "reason": "by hand"}')
    with refused_by("i4_refunds_within_charge", message="took 10 credits and 11 would be returned"):
        insert_refund(alice, charge.id, 3)


def test_a_refund_that_takes_is_refused(alice: User) -> None:
    charge = make_charge(alice, 10)
    with refused_by("usage_row_shape"):
        insert_refund(alice, charge.id, -1)


@together
def test_twenty_parallel_refunds_with_one_key_are_one(alice: User) -> None:
    charge = make_charge(alice, 10)
    answers = in_parallel(20, lambda _: refund(charge.id))
    assert [answer.replayed for answer in answers].count(False) == 1
    assert len({answer.id for answer in answers}) == 1
    assert sql_balance(alice) == 100


@together
def test_twenty_parallel_refunds_with_their_own_keys_return_the_charge_once(alice: User) -> None:
    charge = make_charge(alice, 10)
    answers = in_parallel(20, lambda key: refund(charge.id, f"{key}"), catch=RefundTooLarge)
    assert count_of(answers, Refund) == 1
    assert sql_balance(alice) == 100


@together
def test_twenty_parallel_parts_stop_at_the_whole(alice: User) -> None:
    charge = make_charge(alice, 10)
    answers = in_parallel(20, lambda key: refund(charge.id, f"{key}", 3), catch=RefundTooLarge)
    assert count_of(answers, Refund) == 3
    assert sql_balance(alice) == 99
