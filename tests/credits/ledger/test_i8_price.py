"""I8: a use is priced once, by the price that its charge names; prices and uses are append-only."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import DataError, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from credits.features import TEXT
from credits.models import AIModel, TokenPrice, UsageHistory, Use, User
from credits.models.tokens import BUCKETS, MAX_TOKEN_PRICE
from credits.uses import MAX_TOKENS, Tokens, settle_use
from tests.clock import Clock
from tests.factories import make_charge, make_grant, make_model, make_reserve, make_token_price
from tests.ledger import insert_row, refused_by, sql
from tests.parallel import backend_pid, in_background, in_parallel, wait_until_blocked

pytestmark = pytest.mark.django_db
together = pytest.mark.django_db(transaction=True)
PROVIDER = Use.Source.PROVIDER
#: A use of nothing, as a shell would write it.
NOTHING: dict[str, object] = {
    **dict.fromkeys(BUCKETS, 0), "source": "provider", "cost": 0, "collected": 0, "kept": 0,
}  # fmt: skip


@pytest.fixture
def model(db: None) -> AIModel:
    model = make_model()
    make_token_price(model)
    return model


def insert_use(charge_id: int, user: User, **columns: object) -> None:
    row = {"charge_id": charge_id, "account_id": user.pk, **NOTHING, **columns}
    names, places = ", ".join(row), ", ".join(["%s"] * len(row))
    sql(
        f"INSERT INTO credits_use ({names}, created_at) VALUES ({places}, credits_now())",
        *row.values(),
    )


def end_hold(charge_id: int) -> None:
    """Takes the hold away as only the kernel may."""
    sql("SELECT set_config('credits.ending', %s, true)", str(charge_id))
    sql("DELETE FROM credits_hold WHERE charge_id = %s", charge_id)


# --- Prices --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE credits_tokenprice SET input = 1",
        "UPDATE credits_tokenprice SET valid_from = valid_from - interval '1 day'",
        "DELETE FROM credits_tokenprice",
        "TRUNCATE credits_tokenprice CASCADE",
    ],
)
def test_prices_are_append_only(statement: str, model: AIModel) -> None:
    with refused_by("i8_price_append_only", "i8_price_no_truncate"):
        sql(statement)


@pytest.mark.parametrize(
    "prices",
    [
        {"input": -1},
        {"input": MAX_TOKEN_PRICE + 1},
        {"reasoning": None},
        {"request": -1},
        dict.fromkeys(BUCKETS) | {"request": 1},
    ],
)
def test_a_price_is_whole(prices: dict[str, Any], model: AIModel) -> None:
    with refused_by("i8_price_whole"):
        make_token_price(model, **prices)


@pytest.mark.parametrize(
    "changes",
    [{"input": -1}, {"reasoning": MAX_TOKEN_PRICE + 1}, {"cached": None}, {"request": -1},
     {"request": None}],
)  # fmt: skip
def test_what_the_provider_asks_is_known_whole_or_not_at_all(
    changes: dict[str, Any], model: AIModel
) -> None:
    known = {**dict.fromkeys([*BUCKETS, "request"], 5), **changes}
    with refused_by("provider_price_whole"):
        make_token_price(model, **{f"provider_{name}": value for name, value in known.items()})


def test_a_price_holds_for_some_input(model: AIModel) -> None:
    with refused_by("price_max_input"):
        make_token_price(model, max_input=0)


def test_a_price_begins_now_or_later(model: AIModel, clock: Clock) -> None:
    with refused_by("i8_price_not_backdated"):
        make_token_price(model, valid_from=clock.now() - timedelta(hours=1))


def test_the_price_in_force_is_the_latest_that_has_begun(model: AIModel, clock: Clock) -> None:
    def price_now() -> int | None:
        query = "SELECT (SELECT p.input FROM credits_price_now(%s, credits_now()) p)"
        [(price,)] = sql(query, model.pk)
        return None if price is None else int(price)

    announced = clock.now() + timedelta(days=2)
    make_token_price(model, input=7, valid_from=announced)
    assert price_now() == 10**6
    # One of the same moment takes the place of the announced one.
    make_token_price(model, input=8, valid_from=announced)
    clock.move(days=2, seconds=1)
    assert price_now() == 8
    none = {"model": model, "valid_from": clock.now()}
    TokenPrice.objects.create(**none)
    assert price_now() is None


# --- Uses ----------------------------------------------------------------------------------------


def test_the_database_computes_what_a_use_costs(alice: User, model: AIModel) -> None:
    reserve = make_reserve(alice, model)
    end_hold(reserve.id)
    insert_use(reserve.id, alice, input=30, output=12, cost=1, collected=1, kept=77)
    use = Use.objects.get(charge=reserve.id)
    assert (int(use.cost), int(use.collected), use.kept) == (42 * 10**6, 42 * 10**6, 1)
    sql("SELECT credits_refund(%s, NULL, 'rest', 'k', '{}')", reserve.id)


def test_a_use_names_a_charge_by_tokens_of_its_account(
    alice: User, bob: User, model: AIModel
) -> None:
    plain, reserve = make_charge(alice), make_reserve(alice, model)
    with refused_by("i8_use_names_its_price"):
        insert_use(plain.id, alice)
    with refused_by("i8_use_names_its_price"):
        insert_use(reserve.id, bob)
    with refused_by("i6_hold_ends_before_use"):
        insert_use(reserve.id, alice)
    settle_use(charge_id=reserve.id, tokens=Tokens(1, 0, 0, 1, 0, PROVIDER))
    with refused_by("credits_use_pkey"):
        insert_use(reserve.id, alice)
    for statement in ("UPDATE credits_use SET kept = 0", "DELETE FROM credits_use",
                      "TRUNCATE credits_use"):  # fmt: skip
        with refused_by("i8_use_append_only", "i8_use_no_truncate"):
            sql(statement)


@pytest.mark.parametrize(
    "tokens",
    [(-1, 0, 0, 0, 0), (1, 1, 1, 0, 0), (0, 0, 0, 1, 2), (5, -1, 0, 1, 0), (5, 9, -9, 1, 0)],
)
def test_tokens_fit(tokens: tuple[int, int, int, int, int], alice: User, model: AIModel) -> None:
    reserve = make_reserve(alice, model)
    with refused_by("i8_tokens_fit", "i9_use_within_reserve"):
        settle_use(charge_id=reserve.id, tokens=Tokens(*tokens, PROVIDER))


@pytest.mark.parametrize("change", ["collected = -1", "collected = cost + 1", "kept = -1"])
def test_no_more_is_collected_than_a_use_costs(alice: User, model: AIModel, change: str) -> None:
    """Also where the triggers do not fire."""
    reserve = make_reserve(alice, model)
    settle_use(charge_id=reserve.id, tokens=Tokens(1, 0, 0, 1, 0, PROVIDER))
    sql("SET LOCAL session_replication_role = replica")
    with refused_by("i9_use_within_reserve", at_once=False):
        sql(f"UPDATE credits_use SET {change}")
    sql("SET LOCAL session_replication_role = origin")


def test_the_largest_price_times_the_most_tokens_fits(alice: User, model: AIModel) -> None:
    make_token_price(model, **dict.fromkeys(BUCKETS, MAX_TOKEN_PRICE))
    make_grant(alice, 10**10)
    reserve = make_reserve(alice, model, input_bound=MAX_TOKENS, output=MAX_TOKENS)
    assert reserve.credits == 2 * 10**8
    most = Tokens(MAX_TOKENS, 0, 0, MAX_TOKENS, MAX_TOKENS, PROVIDER)
    assert settle_use(charge_id=reserve.id, tokens=most).kept == 2 * 10**8
    with pytest.raises(DataError), transaction.atomic():
        sql("UPDATE credits_use SET input = %s::numeric", 10**30)


@settings(max_examples=60, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(
    prices=st.tuples(*[st.integers(0, MAX_TOKEN_PRICE)] * 5, st.integers(0, 10**13)),
    parts=st.tuples(*[st.integers(0, 10**6)] * 5),
)
def test_a_cost_is_the_sum_of_tokens_times_prices(
    prices: tuple[int, ...], parts: tuple[int, ...], model: AIModel
) -> None:
    rest, cached, written, answer, reasoning = parts
    row = (rest + cached + written, cached, written, answer + reasoning, reasoning)
    names = ", ".join([*BUCKETS, "request"])
    [(cost,)] = sql(
        f"""WITH price AS (SELECT jsonb_populate_record(NULL::credits_tokenprice, %s) AS p),
        used AS (SELECT jsonb_populate_record(NULL::credits_use, %s) AS u)
        SELECT credits_cost(p, u) FROM price, used -- {names}""",
        _json(dict(zip([*BUCKETS, "request"], prices, strict=True))),
        _json(dict(zip(BUCKETS, row, strict=True))),
    )
    *per_token, request = prices
    assert int(cost) == sum(n * p for n, p in zip(parts, per_token, strict=True)) + request


def _json(values: dict[str, int]) -> str:
    return str(values).replace("'", '"')


# --- At the same time ----------------------------------------------------------------------------


@together
def test_whatever_changes_the_price_each_use_has_the_one_that_its_charge_names(
    alice: User, model: AIModel
) -> None:
    """A price is new or old for a charge as a whole; after the change is committed it is new."""
    make_grant(alice, 10_000)

    def act(number: int) -> None:
        if number == 0:
            for price in range(1, 30):
                make_token_price(model, **dict.fromkeys(BUCKETS, price * 10**6))
            return
        for _ in range(10):
            reserve = make_reserve(alice, model)
            settle_use(charge_id=reserve.id, tokens=Tokens(7, 0, 0, 5, 0, PROVIDER))

    in_parallel(9, act)
    last = TokenPrice.objects.latest("pk")
    assert make_reserve(alice, model).price_id == last.pk
    for use in Use.objects.select_related("charge__price"):
        assert use.charge.price and use.charge.price.output is not None
        assert int(use.cost) == 12 * use.charge.price.output


@together
def test_a_use_by_hand_waits_for_another_of_its_account(alice: User, model: AIModel) -> None:
    """What is paid ahead is read under the lock of the balance."""
    make_token_price(model, **dict.fromkeys(BUCKETS, 10**9))
    reserves = [make_reserve(alice, model, input_bound=0).id for _ in range(2)]
    for charge_id in reserves:
        with transaction.atomic():
            end_hold(charge_id)
    first, second = (partial(insert_use, each, alice, output=400) for each in reserves)
    with transaction.atomic():
        first()
        waiting = in_background(second)
        wait_until_blocked(by=backend_pid())
    waiting.result()
    assert [use.kept for use in Use.objects.order_by("pk")] == [1, 0]
    sql(
        "SELECT credits_insert_refund(u, 1, credits_lock(u.account_id) + 1, 'unused', true, NULL,"
        " '{}') FROM credits_usagehistory u WHERE id = %s", reserves[1],
    )  # fmt: skip


def test_a_charge_by_hand_names_a_price_with_its_bound(alice: User, model: AIModel) -> None:
    price = TokenPrice.objects.get()
    for columns in ({"price_id": price.pk}, {"bound": 5}, {"price_id": 10**9, "bound": 1},
                    {"price_id": price.pk, "bound": -1},
                    {"price_id": price.pk, "bound": 10**12 + 1},
                    {"price_id": price.pk, "bound": 1, "quantity": 2, "credits_used": 2,
                     "unit_cost": 1}):  # fmt: skip
        with refused_by("i9_bound_within_charge"):
            insert_row(alice, **columns)
    assert not UsageHistory.objects.filter(bound__isnull=False).exists()
    assert model.feature == TEXT
