"""Charges by tokens: what is reserved, what a use keeps of it, and what limits let through."""

import pytest

from credits.amounts import PICO
from credits.exceptions import (
    CreditsBusy,
    InsufficientCredits,
    LimitReached,
    OtherPricing,
    PriceChanged,
)
from credits.ledger import get_balance, release_charge, settle_charge
from credits.limit_states import limit_states
from credits.models import AIModel, PaidAhead, SpendDay, Use, User
from credits.uses import Tokens, settle_use
from tests.factories import (
    make_charge,
    make_limit,
    make_model,
    make_reserve,
    make_token_price,
    set_price,
)
from tests.ledger import refused_by, sql_balance

pytestmark = pytest.mark.django_db
PROVIDER = Use.Source.PROVIDER


@pytest.fixture
def model(db: None) -> AIModel:
    """1 credit per 1,000 tokens that are read, 2 per 1,000 that are written."""
    model = make_model()
    make_token_price(model, input=10**9, cached=10**8, cache_write=10**9, output=2 * 10**9,
                     reasoning=2 * 10**9)  # fmt: skip
    return model


def test_what_was_not_used_comes_back_and_the_fraction_is_paid_ahead(
    alice: User, model: AIModel
) -> None:
    reserve = make_reserve(alice, model)
    assert (reserve.credits, reserve.output_granted, sql_balance(alice)) == (3, 1000, 97)
    ending = settle_use(charge_id=reserve.id, tokens=Tokens(100, 50, 0, 20, 5, PROVIDER))
    cost = 50 * 10**9 + 50 * 10**8 + 20 * 2 * 10**9
    assert (ending.cost, ending.collected, ending.kept, ending.refunded) == (cost, cost, 1, 2)
    assert get_balance(user_id=alice.pk).ahead == PICO - cost
    again = make_reserve(alice, model)
    ending = settle_use(charge_id=again.id, tokens=Tokens(100, 0, 0, 100, 0, PROVIDER))
    assert (ending.kept, ending.refunded, sql_balance(alice)) == (0, 3, 99)
    assert PaidAhead.objects.get(account=alice.pk).pico == PICO - cost - 300 * 10**9


def test_more_than_was_reserved_is_not_collected(alice: User, model: AIModel) -> None:
    reserve = make_reserve(alice, model)
    ending = settle_use(charge_id=reserve.id, tokens=Tokens(9000, 0, 0, 9000, 0, PROVIDER))
    assert (ending.cost, ending.collected, ending.kept) == (27 * PICO, 3 * PICO, 3)


def test_a_failure_costs_nothing(alice: User, model: AIModel) -> None:
    reserve = make_reserve(alice, model)
    with refused_by("i9_settled_by_its_use"):
        settle_charge(charge_id=reserve.id)
    assert release_charge(charge_id=reserve.id, reason="provider_error").refunded == 3
    late = settle_use(charge_id=reserve.id, tokens=Tokens(10, 0, 0, 10, 0, PROVIDER))
    assert (late.outcome, late.kept, late.refunded) == ("ended", 0, 3)
    assert Use.objects.get(charge=reserve.id).source == "none"


def test_less_output_is_granted_where_the_balance_pays_for_no_more(
    bob: User, model: AIModel
) -> None:
    reserve = make_reserve(bob, model, input_bound=4000, output=10_000)
    assert (reserve.credits, reserve.output_granted) == (10, 3000)
    with pytest.raises(CreditsBusy):
        make_reserve(bob, model)
    release_charge(charge_id=reserve.id, reason="provider_error")
    with pytest.raises(InsufficientCredits):
        make_reserve(bob, model, input_bound=10_000)


def test_a_model_is_priced_one_way_at_a_time(alice: User, model: AIModel) -> None:
    plain = make_model()
    with pytest.raises(OtherPricing):
        make_reserve(alice, plain)
    with pytest.raises(OtherPricing):
        make_charge(alice, model=model.name)
    with pytest.raises(PriceChanged):
        make_reserve(alice, model, most=2, least=1000)
    with pytest.raises(OtherPricing):
        make_reserve(alice, model, agreed_price_id=10**9)


def test_a_limit_counts_charges_of_both_kinds_and_holds(alice: User, model: AIModel) -> None:
    set_price("ai_text_chat", 1)
    make_charge(alice, 2)
    make_limit(alice, 5)
    reserve = make_reserve(alice, model)
    [state] = limit_states(account_id=alice.pk)
    assert (state.spent, state.held, state.left) == (2 * PICO, 3 * PICO, 0)
    with pytest.raises(CreditsBusy):
        make_charge(alice)
    settle_use(charge_id=reserve.id, tokens=Tokens(1000, 0, 0, 500, 0, PROVIDER))
    with pytest.raises(LimitReached) as refusal:
        make_charge(alice, 2)
    assert refusal.value.members["limit"]["remaining"] == 1
    charge = make_charge(alice, hold=True)
    release_charge(charge_id=charge.id, reason="provider_error")
    day = SpendDay.objects.get(account_id=alice.pk)
    assert (int(day.spent), int(day.held)) == (4 * PICO, 0)
    assert make_reserve(alice, model, input_bound=100, output=5000).output_granted == 450
