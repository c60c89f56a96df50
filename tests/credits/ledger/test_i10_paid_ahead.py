"""I10: what is paid ahead is less than a credit, and exact, however many uses there were."""

import os
from fractions import Fraction
from math import ceil
from random import Random

import pytest
from django.db import connection

from credits.amounts import PICO, as_decimal, as_exact_words, as_words, with_unit
from credits.exceptions import InsufficientCredits
from credits.ledger import get_balance
from credits.models import AIModel, PaidAhead, Use, User
from credits.uses import Tokens, settle_use
from tests.factories import make_grant, make_model, make_reserve, make_token_price
from tests.ledger import refused_by, sql
from tests.parallel import in_parallel

pytestmark = pytest.mark.django_db
#: `make chaos` asks for 100,000.
USES = int(os.environ.get("LEDGER_USES", "300"))
USE_EACH = """
DO $$
DECLARE
    used record;
    reserve record;
BEGIN
    FOR used IN SELECT * FROM bill WHERE number BETWEEN {first} AND {last} ORDER BY number LOOP
        reserve := credits_reserve({user}, NULL, NULL, 'AI_TEXT_CHAT', 'ai_text_chat', '{model}',
            12000, 3500, 1, true, 1, NULL, NULL, NULL, NULL, interval '1 hour', '{{}}');
        UPDATE bill SET cost = (credits_settle_use(reserve.charge_id, used.input, used.cached,
            used.cache_write, used.output, used.reasoning, 'provider', '{{}}', 'unused', true,
            '{{}}')).cost
        WHERE number = used.number;
        COMMIT;
    END LOOP;
END $$
"""
PROVIDER = Use.Source.PROVIDER


@pytest.fixture
def model(db: None) -> AIModel:
    """Prices without a common factor."""
    model = make_model()
    make_token_price(model, input=25_000_003, cached=2_500_001, cache_write=31_250_007,
                     output=200_000_033, reasoning=210_000_011, request=70_000_000_009)  # fmt: skip
    return model


@pytest.mark.django_db(transaction=True)
def test_the_bill_of_many_uses_is_exact(alice: User, model: AIModel) -> None:
    """Beside fractions of Python: no pico-credit is lost, and less than a credit is paid ahead."""
    make_grant(alice, 10**9)
    random, price = Random(13), model.token_prices.get()
    start = get_balance(user_id=alice.pk).remaining
    costs: list[Fraction] = []
    bill: list[tuple[int, ...]] = []
    for number in range(USES):
        cached, written, rest = (random.randrange(4000) for _ in range(3))
        reasoning, answer = random.randrange(500), random.randrange(3000)
        read = cached + written + rest
        bill.append((number, read, cached, written, answer + reasoning, reasoning))
        cost = (
            rest * price.input + cached * price.cached + written * price.cache_write
            + answer * price.output + reasoning * price.reasoning + price.request
        )  # fmt: skip
        costs.append(Fraction(cost, PICO))
    assert [Fraction(cost, PICO) for cost in charged(alice, model, bill)] == costs
    balance, spent = get_balance(user_id=alice.pk), sum(costs)
    assert start - balance.remaining == ceil(spent)
    assert Fraction(balance.ahead, PICO) == ceil(spent) - spent


def charged(user: User, model: AIModel, bill: list[tuple[int, ...]]) -> list[int]:
    """Reserves and settles each of these uses, a transaction each, within the database: 100,000 of
    them take it some minutes. What each costs, in pico-credits."""
    sql("CREATE TEMPORARY TABLE bill (number integer PRIMARY KEY, input bigint, cached bigint,"
        " cache_write bigint, output bigint, reasoning bigint, cost numeric)")  # fmt: skip
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO bill VALUES (%s, %s, %s, %s, %s, %s)", bill)
    for first in range(0, USES, 1000):
        sql(USE_EACH.format(user=user.pk, model=model.name, first=first, last=first + 999))
    costs = [int(cost) for (cost,) in sql("SELECT cost FROM bill ORDER BY number")]
    sql("DROP TABLE bill")
    return costs


@pytest.mark.parametrize(
    ("costs", "kept", "ahead"),
    [
        ([1], [1], PICO - 1),
        ([PICO - 1], [1], 1),
        ([PICO], [1], 0),
        ([PICO + 1], [2], PICO - 1),
        ([PICO - 1, 1], [1, 0], 0),
        ([PICO - 1, 2], [1, 1], PICO - 1),
        ([1, PICO - 1, 1], [1, 0, 1], PICO - 1),
        ([0, 0], [0, 0], 0),
        ([1, 5 * PICO], [1, 5], PICO - 1),
    ],
)
def test_the_edges(costs: list[int], kept: list[int], ahead: int, alice: User) -> None:
    model = make_model()
    make_token_price(model, input=1, cached=1, cache_write=1, output=10**9, reasoning=10**9)
    outcomes = []
    for cost in costs:
        output, rest = divmod(cost, 10**9)
        reserve = make_reserve(alice, model, input_bound=10**9, output=6000)
        tokens = Tokens(rest, 0, 0, output, 0, PROVIDER)
        outcomes.append(settle_use(charge_id=reserve.id, tokens=tokens).kept)
    assert (outcomes, get_balance(user_id=alice.pk).ahead) == (kept, ahead)


@pytest.mark.django_db(transaction=True)
def test_uses_at_once_share_what_is_paid_ahead(alice: User, model: AIModel) -> None:
    reserves = [make_reserve(alice, model) for _ in range(40)]
    tokens = Tokens(900, 0, 0, 900, 0, PROVIDER)
    endings = in_parallel(
        40, lambda number: settle_use(charge_id=reserves[number].id, tokens=tokens)
    )
    balance = get_balance(user_id=alice.pk)
    cost = Fraction(sum(ending.cost for ending in endings), PICO)
    assert 100 - balance.remaining == sum(ending.kept for ending in endings) == ceil(cost)
    assert Fraction(balance.ahead, PICO) == ceil(cost) - cost


def test_what_is_paid_ahead_changes_by_a_use_alone(alice: User, bob: User, model: AIModel) -> None:
    reserve = make_reserve(alice, model)
    settle_use(charge_id=reserve.id, tokens=Tokens(1, 0, 0, 1, 0, PROVIDER))
    for statement in (
        "UPDATE credits_paidahead SET pico = 0",
        "DELETE FROM credits_paidahead",
        f"INSERT INTO credits_paidahead (account_id, pico) VALUES ({bob.pk}, 5)",
        "TRUNCATE credits_paidahead",
    ):
        with refused_by("i10_paid_ahead_by_uses_only", "i10_no_truncate"):
            sql(statement)
    sql("SET LOCAL session_replication_role = replica")
    for pico in (-1, PICO):
        with refused_by("i10_paid_ahead_below_one", at_once=False):
            PaidAhead.objects.update(pico=pico)
    sql("SET LOCAL session_replication_role = origin")


def test_with_no_credits_left_what_is_paid_ahead_is_not_spent(bob: User) -> None:
    """A reserve of less than a credit would count on it twice (gateway, C.16)."""
    model = make_model()
    make_token_price(model, **dict.fromkeys(
        ["input", "cached", "cache_write", "output", "reasoning"], 10**9))  # fmt: skip
    reserve = make_reserve(bob, model, input_bound=5000, output=5000)
    settle_use(charge_id=reserve.id, tokens=Tokens(5000, 0, 0, 4999, 0, PROVIDER))
    balance = get_balance(user_id=bob.pk)
    assert (balance.remaining, balance.ahead) == (0, 10**9)
    with pytest.raises(InsufficientCredits):
        make_reserve(bob, model, input_bound=1, output=0, least=0)


@pytest.mark.parametrize(
    ("pico", "decimal", "words"),
    [
        (0, "0.000000000000", "0"),
        (1, "0.000000000001", "0.000000000001"),
        (67_500_000_000, "0.067500000000", "0.068"),
        (PICO, "1.000000000000", "1"),
        (1_250_000_000_000, "1.250000000000", "1.3"),
        (999_999_999_999, "0.999999999999", "1"),
        (12_345 * PICO + 1, "12345.000000000001", "12,345"),
        (-PICO // 2, "-0.500000000000", "-0.5"),
    ],
)
def test_fractions_are_written_exactly_and_read_easily(pico: int, decimal: str, words: str) -> None:
    assert (as_decimal(pico), as_words(pico)) == (decimal, words)


@pytest.mark.parametrize(
    ("pico", "words"),
    [
        (0, "0 credits"),
        (1, "0.000000000001 credits"),
        (PICO, "1 credit"),
        (1_234_500_000_000_000, "1,234.5 credits"),
        (10**6 * PICO, "1,000,000 credits"),
    ],
)
def test_exact_amounts_have_their_thousands_apart_and_their_unit(pico: int, words: str) -> None:
    assert with_unit(as_exact_words(pico)) == words
