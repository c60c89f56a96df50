"""What a call by tokens would be granted: a quote says what the reserve then does, and what such
calls usually come to."""

import random
import re

import pytest

from credits.amounts import PICO
from credits.exceptions import InsufficientCredits, LimitReached, OtherPricing
from credits.features import TEXT
from credits.ledger import get_balance
from credits.models import AIModel, TokenPrice, UsageHistory, Use, User
from credits.uses import Asked, Quote, Reserve, Tokens, quote_credits, reserve_credits, settle_use
from tests.factories import (
    make_charge,
    make_limit,
    make_model,
    make_reserve,
    make_token_price,
    make_user,
)

pytestmark = pytest.mark.django_db
PROVIDER = Use.Source.PROVIDER


@pytest.fixture
def model(db: None) -> AIModel:
    """1 credit per 1,000 tokens that are read, 2 per 1,000 that are written."""
    model = make_model()
    make_token_price(model, input=10**9, cached=10**8, cache_write=10**9, output=2 * 10**9,
                     reasoning=2 * 10**9)  # fmt: skip
    return model


def quoted(user: User, model: AIModel, asked: Asked) -> Quote:
    balance = get_balance(user_id=user.pk)
    return quote_credits(
        user_id=user.pk, feature=TEXT, model=model.name, asked=asked, balance=balance
    )


def reserve(user: User, model: AIModel, asked: Asked) -> Reserve:
    return reserve_credits(user_id=user.pk, feature=TEXT, model=model.name, asked=asked)


@pytest.mark.parametrize("named", [True, False])
def test_no_call_is_let_in_with_less_output_than_it_needs(
    model: AIModel, alice: User, named: bool
) -> None:
    """Half of what the balance pays for is less than that, and so are 8,192 tokens."""
    asked = Asked(0, 100_000, 40_000, named=named)
    assert reserve(alice, model, asked).output_granted == (50_000 if named else 40_000)


def test_a_reserve_does_what_was_quoted(model: AIModel) -> None:
    """Of any size, beside limits and what is held."""
    draw = random.Random(7)
    refusals: set[type[Exception] | None] = set()
    for _ in range(120):
        user = make_user(credits=draw.choice([0, 1, 5, 60]))
        if draw.random() < 0.4:
            make_limit(user, draw.choice([1, 4, 30]))
        if draw.random() < 0.3 and get_balance(user_id=user.pk).spendable:
            make_charge(user, hold=True)
        asked = Asked(
            draw.choice([0, 100, 3000]), draw.choice([1, 500, 40_000]), draw.choice([1, 400]),
            named=draw.random() < 0.5, choices=draw.choice([1, 2]),
        )  # fmt: skip
        quote = quoted(user, model, asked)
        refusals.add(type(quote.refusal) if quote.refusal else None)
        if quote.refusal:
            with pytest.raises(type(quote.refusal), match=re.escape(str(quote.refusal))):
                reserve(user, model, asked)
            continue
        made = reserve(user, model, asked)
        charge = UsageHistory.objects.get(pk=made.id)
        assert quote == Quote(
            made.credits, made.price_id, made.output_granted or 0, int(charge.bound or 0),
            made.limit_id, None, None,
        )  # fmt: skip
    assert {None, InsufficientCredits, LimitReached} <= refusals


def test_a_model_without_a_price_by_tokens_has_no_such_quote(alice: User) -> None:
    quote = quoted(alice, make_model(), Asked(10, 10, 1))
    assert isinstance(quote.refusal, OtherPricing)
    assert quote.price_id is None


def use_up(user: User, model: AIModel, output: int, source: str = PROVIDER) -> None:
    reserve = make_reserve(user, model)
    settle_use(charge_id=reserve.id, tokens=Tokens(0, 0, 0, output, 0, source))


def test_what_is_likely_is_the_median_share_of_the_latest_fifty(
    alice: User, model: AIModel
) -> None:
    asked = Asked(1000, 1000, 1, named=True)
    other = make_model()
    make_token_price(other)
    for _ in range(9):
        use_up(alice, model, 75)
        use_up(alice, other, 1000)
        use_up(alice, model, 0, Use.Source.NONE)
    assert quoted(alice, model, asked).likely is None
    use_up(alice, model, 75)
    # 0.15 of 3 credits; of a call of half the size half as much.
    assert quoted(alice, model, asked).likely == 150 * 10**9
    assert quoted(alice, model, Asked(500, 500, 1, named=True)).likely == 75 * 10**9
    for _ in range(50):
        use_up(alice, model, 300)
    assert quoted(alice, model, asked).likely == 600 * 10**9
    assert quoted(make_user(credits=9), model, asked).likely is None


def test_a_cost_so_far_is_what_the_database_makes_of_it(alice: User, model: AIModel) -> None:
    draw = random.Random(3)
    buckets = ("input", "cached", "cache_write", "output", "reasoning")
    for _ in range(20):
        prices = {name: draw.randrange(10**6) for name in buckets}
        price = make_token_price(model, **prices, request=draw.randrange(PICO // 1000))
        read, written = draw.randrange(1000), draw.randrange(1000)
        cached = draw.randint(0, read)
        tokens = Tokens(read, cached, draw.randint(0, read - cached), written,
                        draw.randint(0, written), PROVIDER)  # fmt: skip
        ending = settle_use(charge_id=make_reserve(alice, model).id, tokens=tokens)
        assert TokenPrice.objects.get(pk=price.pk).about(tokens) == ending.cost
