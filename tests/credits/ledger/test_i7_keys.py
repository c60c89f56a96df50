"""I7: the same idempotency key and body never charges twice; it answers with the first result."""

from typing import Any

import pytest

from credits.adjustments import adjust_credits
from credits.exceptions import IdempotencyConflict, InsufficientCredits, LedgerError
from credits.ledger import Charge, deduct_credits_for_feature, refund_charge, release_charge
from credits.models import UsageHistory, User
from tests.factories import make_charge, set_price
from tests.ledger import insert_row, refused_by, sql_balance
from tests.parallel import count_of, in_parallel

pytestmark = pytest.mark.django_db
together = pytest.mark.django_db(transaction=True)


def spend(user: User, body: str = "body", quantity: int = 3, **fields: object) -> Charge:
    return make_charge(user, quantity, idempotency_key="key", fingerprint=body, **fields)


def test_the_same_key_and_body_answers_with_the_first_result(alice: User) -> None:
    first = spend(alice)
    again = spend(alice)
    assert again == Charge(first.id, 3, 1, 97, replayed=True, held=False)
    assert sql_balance(alice) == 97


def test_a_replay_answers_with_the_price_that_was_paid(alice: User) -> None:
    spend(alice)
    set_price("ai_text_chat", 40)
    again = spend(alice, max_unit_cost=1)
    assert (again.credits, again.unit_cost, again.balance) == (3, 1, 97)


def test_a_replay_needs_no_credits(bob: User) -> None:
    spend(bob, quantity=10)
    assert spend(bob, quantity=10).replayed


def test_a_replay_says_whether_the_first_is_still_in_flight(alice: User) -> None:
    first = spend(alice, hold=True)
    assert spend(alice, hold=True).held
    release_charge(charge_id=first.id, reason="test")
    again = spend(alice, hold=True)
    assert (again.id, again.held, sql_balance(alice)) == (first.id, False, 100)


def test_another_body_conflicts(alice: User) -> None:
    spend(alice)
    for body, quantity in (("other", 3), ("body", 4)):
        with pytest.raises(IdempotencyConflict):
            spend(alice, body, quantity)
    with pytest.raises(IdempotencyConflict):
        spend(alice, None)  # type: ignore[arg-type]


def test_another_feature_conflicts(alice: User) -> None:
    make_charge(alice, idempotency_key="key")
    with pytest.raises(IdempotencyConflict):
        deduct_credits_for_feature(
            user_id=alice.pk, feature="ai_image_generation", idempotency_key="key"
        )


def test_keys_of_other_operations_do_not_answer_for_a_charge(alice: User) -> None:
    charge = make_charge(alice)
    refund_charge(charge_id=charge.id, reason="test", idempotency_key="refund")
    _adjust(alice, "adjustment")
    for key in ("refund", "adjustment"):
        with pytest.raises(IdempotencyConflict):
            make_charge(alice, idempotency_key=key)
    make_charge(alice, idempotency_key="charge", fingerprint="5/None")
    with pytest.raises(IdempotencyConflict):
        _adjust(alice, "charge")
    with pytest.raises(IdempotencyConflict):
        refund_charge(charge_id=charge.id, reason="test", idempotency_key="charge")


def _adjust(user: User, key: str, delta: int = 5) -> int | None:
    return adjust_credits(
        user_id=user.pk, reason="test", actor="a", idempotency_key=key, delta=delta
    ).usage_id


def test_keys_of_different_users_are_different(alice: User, bob: User) -> None:
    assert spend(alice).id != spend(bob).id


def test_without_a_key_every_spend_counts(alice: User) -> None:
    make_charge(alice)
    make_charge(alice)
    assert sql_balance(alice) == 98


def test_a_spend_that_was_refused_can_be_tried_again_with_its_key(bob: User) -> None:
    with pytest.raises(InsufficientCredits):
        spend(bob, quantity=11)
    _adjust(bob, "more")
    assert not spend(bob, quantity=11).replayed


def test_an_adjustment_asked_for_twice_is_made_once(alice: User) -> None:
    assert _adjust(alice, "k") == _adjust(alice, "k")
    assert sql_balance(alice) == 105
    with pytest.raises(IdempotencyConflict):
        _adjust(alice, "k", delta=6)


def test_the_longest_key_works_everywhere(alice: User) -> None:
    charge = make_charge(alice, idempotency_key="c" * 255)
    refund_charge(charge_id=charge.id, reason="test", idempotency_key="r" * 255)
    _adjust(alice, "a" * 255)
    with pytest.raises(LedgerError):
        make_charge(alice, idempotency_key="c" * 256)


@together
def test_twenty_parallel_spends_with_one_key_are_one_charge(alice: User) -> None:
    answers = in_parallel(20, lambda _: spend(alice))
    assert [answer.replayed for answer in answers].count(False) == 1
    assert len({answer.id for answer in answers}) == 1
    assert sql_balance(alice) == 97


@together
def test_of_twenty_parallel_bodies_under_one_key_one_is_charged(alice: User) -> None:
    answers = in_parallel(20, lambda n: spend(alice, f"body {n}"), catch=IdempotencyConflict)
    assert count_of(answers, Charge) == 1
    assert sql_balance(alice) == 97


@together
def test_twenty_parallel_adjustments_with_one_key_are_one(alice: User) -> None:
    assert len(set(in_parallel(20, lambda _: _adjust(alice, "k")))) == 1
    assert sql_balance(alice) == 105


def test_the_database_refuses_a_key_twice(alice: User) -> None:
    spend(alice)
    with refused_by("i7_usage_key_once"):
        insert_row(alice, idempotency_key="key")
    assert UsageHistory.objects.filter(user=alice, idempotency_key="key").count() == 1


def test_a_refunds_key_stands_for_its_reason_too(alice: User) -> None:
    refund: dict[str, Any] = {
        "charge_id": make_charge(alice, 4).id,
        "amount": 1,
        "idempotency_key": "r",
    }
    refund_charge(**refund, reason="goodwill")
    assert refund_charge(**refund, reason="goodwill").replayed
    with pytest.raises(IdempotencyConflict):
        refund_charge(**refund, reason="a mistake")
    assert sql_balance(alice) == 97
