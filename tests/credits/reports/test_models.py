"""What each model brought in and cost, against sums of fractions over every single use."""

import random
from collections import defaultdict
from datetime import UTC, timedelta
from fractions import Fraction
from typing import Any

import pytest

from credits.amounts import PICO
from credits.ledger import refund_charge, release_charge
from credits.models import AIModel, TokenPrice, Use, User
from credits.models.tokens import BUCKETS
from credits.reports.models import ModelSums, by_model, uncollected_lately
from credits.reports.rollup import BEGINNING, close_days, open_since
from credits.uses import Tokens, settle_use
from tests.clock import Clock
from tests.credits.reports.days import NOON
from tests.factories import make_charge, make_grant, make_model, make_reserve, make_token_price
from tests.ledger import assert_ledger_is_consistent

pytestmark = pytest.mark.django_db
DAY = NOON.date()


@pytest.fixture
def spender(clock: Clock) -> User:
    clock.freeze(NOON)
    return User.objects.create_user("spender@example.com", "x")


def report(**days: Any) -> dict[str, ModelSums]:
    wanted = {"first": BEGINNING, "last": DAY + timedelta(days=60), **days}
    return {row.model: row for row in by_model(**wanted)}


def cost_of(price: TokenPrice, tokens: Tokens, prefix: str = "") -> Fraction:
    """Credits, from prices in micro-credits per 1,000,000 tokens."""
    plain = {
        "input": tokens.input - tokens.cached - tokens.cache_write,
        "cached": tokens.cached,
        "cache_write": tokens.cache_write,
        "output": tokens.output - tokens.reasoning,
        "reasoning": tokens.reasoning,
    }
    per_token = Fraction(1, 10**6 * 10**6)
    cost = sum(
        (Fraction(count) * getattr(price, prefix + bucket) * per_token
         for bucket, count in plain.items()),
        Fraction(0),
    )  # fmt: skip
    return cost + Fraction(getattr(price, prefix + "request"), PICO)


@pytest.mark.parametrize("seed", range(4))
def test_the_sums_of_a_month_are_those_of_its_uses(spender: User, clock: Clock, seed: int) -> None:
    rng = random.Random(seed)
    make_grant(spender, 10**6)
    models = [make_model(f"m{place}") for place in range(3)]
    expected: dict[str, dict[str, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    for _ in range(12):
        model = rng.choice(models)
        price = _some_price(rng, model)
        for _ in range(rng.randrange(1, 5)):
            _some_use(rng, spender, model, price, expected[model.name])
        clock.move(hours=rng.randrange(1, 30))
        if rng.random() < 0.5:
            close_days()
    assert open_since() > DAY
    for name, row in report().items():
        sums = expected[name]
        assert row.uses == sums["uses"]
        assert [*row.tokens] == [sums[bucket] for bucket in BUCKETS]
        assert Fraction(row.cost_pico, PICO) == sums["cost"]
        assert Fraction(row.collected_pico, PICO) == sums["collected"]
        assert Fraction(row.uncollected_pico, PICO) == sums["cost"] - sums["collected"]
        assert row.known == sums["known"]
        assert row.unknown == sums["uses"] - sums["known"]
        if not row.known:
            assert row.provider_cost_pico is row.margin_pico is row.margin_percent is None
            continue
        margin = sums["known_collected"] - sums["provider"]
        assert Fraction(row.margin_pico or 0, PICO) == margin
        assert Fraction(row.provider_cost_pico or 0, PICO) == sums["provider"]
        percent = float(round(1000 * margin / sums["known_collected"])) / 10
        assert row.margin_percent == percent
    assert set(report()) == set(expected)
    assert_ledger_is_consistent()


def _some_price(rng: random.Random, model: AIModel) -> TokenPrice:
    prices = {bucket: rng.randrange(1, 3 * 10**9) for bucket in BUCKETS}
    prices["request"] = rng.randrange(10**11)
    if rng.random() < 0.7:
        for name in (*BUCKETS, "request"):
            prices[f"provider_{name}"] = rng.randrange(2 * 10**9)
    return make_token_price(model, **prices)


def _some_use(
    rng: random.Random, user: User, model: AIModel, price: TokenPrice, sums: dict[str, Fraction]
) -> None:
    reserve = make_reserve(user, model)
    if rng.random() < 0.2:
        release_charge(charge_id=reserve.id, reason="provider_error")
        return
    cached, written, thought = (rng.randrange(400) for _ in range(3))
    read = cached + written + rng.randrange(200)
    # Some use more than was reserved.
    output = thought + rng.choice([5, 50, 5000])
    source = rng.choice([Use.Source.PROVIDER, Use.Source.ESTIMATED])
    tokens = Tokens(read, cached, written, output, thought, source)
    ending = settle_use(charge_id=reserve.id, tokens=tokens)
    cost = cost_of(price, tokens)
    sums["uses"] += 1
    for bucket in BUCKETS:
        sums[bucket] += getattr(tokens, bucket)
    sums["cost"] += cost
    collected = Fraction(ending.collected, PICO)
    assert collected <= cost
    sums["collected"] += collected
    if price.provider_input is not None:
        sums["known"] += 1
        sums["known_collected"] += collected
        sums["provider"] += cost_of(price, tokens, "provider_")


def test_what_was_not_used_is_no_refund(spender: User, clock: Clock) -> None:
    make_grant(spender, 1000)
    model, plain = make_model("mini"), make_model("plain")
    make_token_price(model, input=10**9, output=10**9)
    reserve = make_reserve(spender, model)
    settle_use(charge_id=reserve.id, tokens=Tokens(500, 0, 0, 100, 0, Use.Source.PROVIDER))
    release_charge(charge_id=make_reserve(spender, model).id, reason="provider_error")
    charge = make_charge(spender, 3, model=plain.name)
    refund_charge(charge_id=charge.id, reason="unused", idempotency_key="a", amount=1)
    for _ in range(2):
        mini, other = report()["mini"], report()["plain"]
        assert (mini.charges, mini.charged, mini.unused, mini.refunded) == (2, 4, 1, 2)
        assert (mini.spent, mini.uses) == (1, 1)
        assert (other.charged, other.unused, other.refunded, other.spent) == (3, 0, 1, 2)
        assert (other.uses, other.provider_cost_pico) == (0, None)
        clock.move(days=1)
        assert close_days()


def test_days_and_models_are_chosen(spender: User, clock: Clock) -> None:
    make_grant(spender, 1000)
    for name in ("first", "second"):
        model = make_model(name)
        make_token_price(model)
        reserve = make_reserve(spender, model)
        settle_use(charge_id=reserve.id, tokens=Tokens(9, 0, 0, 9, 0, Use.Source.PROVIDER))
        clock.move(days=1)
    assert set(report(last=DAY)) == {"first"}
    assert set(report(first=DAY + timedelta(days=1))) == {"second"}
    assert set(report(model="second")) == {"second"}


def test_uses_that_cost_more_than_their_reserve(spender: User, clock: Clock) -> None:
    make_grant(spender, 1000)
    model = make_model("mini")
    make_token_price(model, input=10**9, output=10**9)
    assert uncollected_lately(timedelta(days=1)) == []
    for output in (100, 5000):
        reserve = make_reserve(spender, model)
        settle_use(charge_id=reserve.id, tokens=Tokens(9, 0, 0, output, 0, Use.Source.PROVIDER))
    [row] = uncollected_lately(timedelta(days=1))
    assert (row.model, row.uses, row.pico) == ("mini", 1, 5_009 * 10**9 - 2 * PICO)
    assert report()["mini"].uncollected_uses == 1
    clock.move(days=1, seconds=1)
    assert uncollected_lately(timedelta(days=1)) == []
    assert clock.now().astimezone(UTC) > NOON
