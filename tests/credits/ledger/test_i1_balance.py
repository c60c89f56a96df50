"""I1: a balance never goes below 0, under any number of parallel requests."""

from typing import Any

import pytest
from django.db import connection

from credits.adjustments import adjust_credits
from credits.exceptions import InsufficientCredits
from credits.ledger import Charge, Grant, get_balance, validate_credits_for_feature
from credits.models import CreditBalance, UsageHistory, User
from tests.factories import make_charge, make_grant, make_user
from tests.ledger import insert_row, refused_by, sql
from tests.parallel import count_of, in_parallel

pytestmark = pytest.mark.django_db
together = pytest.mark.django_db(transaction=True)


@together
@pytest.mark.parametrize(("credits", "quantity", "covered"), [(7, 1, 7), (23, 3, 7), (60, 1, 50)])
def test_of_fifty_parallel_spends_exactly_those_that_are_covered_go_through(
    credits: int, quantity: int, covered: int
) -> None:
    user = make_user(credits=credits)
    answers = in_parallel(50, lambda _: make_charge(user, quantity), catch=InsufficientCredits)
    assert count_of(answers, Charge) == covered
    assert count_of(answers, InsufficientCredits) == 50 - covered
    assert get_balance(user_id=user.pk).remaining == credits - covered * quantity


@together
def test_fifty_first_spends_of_a_user_without_a_balance_all_fail(carol: User) -> None:
    answers = in_parallel(50, lambda _: make_charge(carol), catch=InsufficientCredits)
    assert count_of(answers, InsufficientCredits) == 50
    assert CreditBalance.objects.filter(user=carol, credits_remaining=0).count() <= 1
    assert not UsageHistory.objects.filter(user=carol).exists()


@together
def test_a_users_very_first_grant_and_spends_arrive_together(carol: User) -> None:
    def act(number: int) -> Charge | Grant:
        return make_grant(carol, 5) if number == 0 else make_charge(carol)

    answers = in_parallel(50, act, catch=InsufficientCredits)
    spent = count_of(answers, Charge)
    assert spent <= 5
    assert get_balance(user_id=carol.pk).remaining == 5 - spent


@together
def test_the_balance_row_is_made_once_by_whoever_comes_first(carol: User) -> None:
    in_parallel(20, lambda _: make_grant(carol, 1))
    assert get_balance(user_id=carol.pk).remaining == 20


@together
def test_parallel_withdrawals_by_admins_stop_at_zero(bob: User) -> None:
    def withdraw(number: int) -> object:
        return adjust_credits(
            user_id=bob.pk, reason="test", actor="a", idempotency_key=f"{number}", delta=-3
        )

    answers = in_parallel(10, withdraw, catch=InsufficientCredits)
    assert count_of(answers, InsufficientCredits) == 7
    assert get_balance(user_id=bob.pk).remaining == 1


def test_a_row_that_would_overdraw_is_refused_by_the_balance(bob: User) -> None:
    with refused_by("i1_balance_not_negative"):
        insert_row(bob, credits_used=11)


def test_a_balance_cannot_be_written_below_zero_even_without_the_triggers(bob: User) -> None:
    with refused_by("i1_balance_not_negative"):
        sql("SET LOCAL session_replication_role = replica")
        sql("UPDATE credits_creditbalance SET credits_remaining = -1")


def test_the_error_says_what_is_needed_and_what_is_there(bob: User) -> None:
    with pytest.raises(InsufficientCredits) as refusal:
        make_charge(bob, 11)
    assert (refusal.value.required, refusal.value.available) == (11, 10)


def test_an_early_answer_needs_no_deduction(bob: User) -> None:
    ask: dict[str, Any] = {"user_id": bob.pk, "feature": "ai_image_generation"}
    assert validate_credits_for_feature(**ask, quantity=2).remaining == 10
    with pytest.raises(InsufficientCredits):
        validate_credits_for_feature(**ask, quantity=3)
    assert connection.in_atomic_block
    assert UsageHistory.objects.filter(user=bob).count() == 1
