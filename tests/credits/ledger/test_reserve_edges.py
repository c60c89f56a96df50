"""The edges of a reserve and its use: what is free, what is capped, what is asked for again, and
the largest numbers."""

from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from credits.amounts import PICO
from credits.exceptions import (
    CreditsBusy,
    IdempotencyConflict,
    InputTooLong,
    InsufficientCredits,
    LedgerError,
    LimitReached,
    ModelNotOffered,
    OtherPricing,
    PriceChanged,
)
from credits.features import TEXT
from credits.ledger import get_balance, release_charge
from credits.limit_states import limit_states
from credits.models import AIModel, CreditGrant, Hold, UsageHistory, Use, User
from credits.models.limits import MAX_LIMIT
from credits.models.tokens import BUCKETS, MAX_TOKEN_PRICE
from credits.reasons import Reason
from credits.uses import MAX_TOKENS, Asked, Tokens, UseEnding, reserve_credits, settle_use
from tests.clock import Clock
from tests.credits.ledger.counting import add_member, assert_counted, make_dear_model
from tests.factories import (
    make_charge,
    make_grant,
    make_key,
    make_limit,
    make_model,
    make_reserve,
    make_token_price,
    make_user,
    set_price,
)
from tests.ledger import sql_balance

pytestmark = pytest.mark.django_db
PROVIDER = Use.Source.PROVIDER
PROVIDERS = [f"provider_{bucket}" for bucket in (*BUCKETS, "request")]


def tokens(read: int, written: int) -> Tokens:
    return Tokens(read, 0, 0, written, 0, PROVIDER)


@pytest.fixture
def model(db: None) -> AIModel:
    """1 credit per 1,000 tokens that are read, 2 per 1,000 that are written."""
    return make_dear_model()


# --- What is free --------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [None, 0])
def test_a_model_that_costs_nothing_is_had_without_credits(carol: User, limit: int | None) -> None:
    model = make_model()
    make_token_price(model, **dict.fromkeys(BUCKETS, 0))
    if limit is not None:
        make_limit(carol, limit)
    reserve = make_reserve(carol, model, input_bound=MAX_TOKENS, output=MAX_TOKENS)
    assert (reserve.credits, reserve.output_granted, reserve.held) == (0, MAX_TOKENS, True)
    ending = settle_use(charge_id=reserve.id, tokens=tokens(10**6, 10**6))
    assert ending == UseEnding("settled", None, 0, 0, 0, 0)
    failed = make_reserve(carol, model)
    assert release_charge(charge_id=failed.id, reason=Reason.TIMEOUT).outcome == "refunded"
    assert sql_balance(carol) == 0


def test_a_request_may_cost_what_no_token_does(bob: User) -> None:
    model = make_model()
    make_token_price(model, **dict.fromkeys(BUCKETS, 0), request=3 * PICO // 2)
    reserve = make_reserve(bob, model, input_bound=0, output=MAX_TOKENS)
    assert (reserve.credits, reserve.output_granted) == (2, MAX_TOKENS)
    ending = settle_use(charge_id=reserve.id, tokens=tokens(0, 0))
    assert (ending.cost, ending.kept) == (3 * PICO // 2, 2)
    assert get_balance(user_id=bob.pk).ahead == PICO // 2
    with pytest.raises(InsufficientCredits) as refusal:
        make_reserve(make_user(credits=1), model, input_bound=0, output=0)
    assert refusal.value.required == 2


def test_a_use_of_nothing_that_a_provider_counted_costs_its_request(
    alice: User, model: AIModel
) -> None:
    make_token_price(model, request=PICO, **dict.fromkeys(PROVIDERS, 10**6))
    counted, none = make_reserve(alice, model), make_reserve(alice, model)
    assert settle_use(charge_id=counted.id, tokens=tokens(0, 0)).kept == 1
    nothing = Tokens(0, 0, 0, 0, 0, Use.Source.NONE)
    assert settle_use(charge_id=none.id, tokens=nothing).kept == 0
    costs = Use.objects.in_bulk([counted.id, none.id])
    assert costs[counted.id].provider_cost == 10**6
    assert costs[none.id].provider_cost is None, "Nobody knows what it was."


# --- What is granted -----------------------------------------------------------------------------


def test_each_of_several_answers_is_paid_for(alice: User, model: AIModel) -> None:
    asked = Asked(0, 1000, 10, named=True, choices=5)
    assert reserve(alice, model, asked).credits == 10
    asked = Asked(0, 100_000, 10, named=True, choices=5)
    assert reserve(alice, model, asked).output_granted == 9000


def test_no_output_and_no_input_cost_nothing(alice: User, model: AIModel) -> None:
    assert reserve(alice, model, Asked(0, 0, 256, named=True)).credits == 0
    most = Asked(1000, 0, 0, named=True)
    assert reserve(alice, model, most).credits == 1


def test_no_more_output_is_needed_than_is_asked_for(model: AIModel) -> None:
    poor = make_user(credits=1)
    assert reserve(poor, model, Asked(0, 10, 5000, named=True)).output_granted == 10
    with pytest.raises(InsufficientCredits):
        reserve(poor, model, Asked(0, 5000, 5000, named=True))


def test_the_dearest_kind_of_token_is_reserved_for(alice: User) -> None:
    for dear, credits in (("cached", 1), ("cache_write", 1), ("reasoning", 2), ("output", 2)):
        model = make_model()
        make_token_price(model, **{**dict.fromkeys(BUCKETS, 0), dear: credits * 10**9})
        made = make_reserve(alice, model)
        assert made.credits == credits
        used = {**dict.fromkeys(BUCKETS, 0), dear: 1000}
        used["input"] = max(used["input"], used["cached"] + used["cache_write"])
        used["output"] = max(used["output"], used["reasoning"])
        ending = settle_use(charge_id=made.id, tokens=Tokens(**used, source=PROVIDER))
        assert (ending.cost, ending.kept) == (credits * PICO, credits), dear


@pytest.mark.parametrize(
    ("most", "granted"), [(None, 40_000), (50, 24_500), (3, 1000), (2, 500), (1, 0), (0, None)]
)
def test_no_more_is_taken_than_the_caller_wants_to_spend(
    alice: User, model: AIModel, most: int | None, granted: int | None
) -> None:
    asked = Asked(1000, 40_000, 0, named=True)
    if granted is None:
        with pytest.raises(PriceChanged):
            reserve(alice, model, asked, most=most)
        return
    made = reserve(alice, model, asked, most=most)
    assert (made.output_granted, made.credits) == (granted, most or 81)


def test_the_limit_that_let_it_be_no_more_is_named(alice: User, model: AIModel) -> None:
    wide, narrow = make_limit(alice, 90, "month"), make_limit(alice, 5)
    assert reserve(alice, model, Asked(0, 1000, 1, named=True)).limit_id is None
    made = reserve(alice, model, Asked(0, 10_000, 1, named=True))
    assert (made.output_granted, made.limit_id) == (1500, narrow.pk)
    narrow.delete()
    assert reserve(alice, model, Asked(0, 50_000, 1, named=True)).limit_id == wide.pk


def test_the_limit_that_refuses_is_named_and_not_one_that_is_full_of_what_is_held(
    alice: User, model: AIModel
) -> None:
    wide = make_limit(alice, 12, "month")
    make_charge(alice, 10, hold=True)
    key = make_key(alice)
    narrow = make_limit(alice, 3, api_key=key)
    with pytest.raises(LimitReached) as refusal:
        reserve(alice, model, Asked(0, 5000, 2000, named=True), key_id=key.pk)
    assert refusal.value.limit.limit == narrow
    with pytest.raises(CreditsBusy):
        reserve(alice, model, Asked(0, 5000, 2000, named=True))
    assert wide.credits == 12


def test_what_is_free_is_had_beside_what_a_lowered_limit_no_longer_allows(alice: User) -> None:
    make_charge(alice, 5, hold=True)
    make_charge(alice, 3)
    make_limit(alice, 2)
    free = make_model()
    make_token_price(free, **dict.fromkeys(BUCKETS, 0))
    assert make_reserve(alice, free).credits == 0
    set_price("ai_text_chat", 0)
    assert make_charge(alice).credits == 0


def test_a_limit_of_the_accounts_own_user_is_for_what_names_nobody_else(
    alice: User, bob: User, model: AIModel
) -> None:
    add_member(alice, bob)
    make_limit(alice, 3, member=alice)
    make_reserve(alice, model, member_id=bob.pk)
    make_reserve(alice, model)
    for spend in (make_charge, partial(make_reserve, model=model)):
        with pytest.raises(CreditsBusy):
            spend(alice)


def test_a_member_is_named_and_counted(alice: User, bob: User, model: AIModel) -> None:
    add_member(alice, bob)
    make_limit(alice, 3, member=bob)
    made = make_reserve(alice, model, member_id=bob.pk)
    assert UsageHistory.objects.get(pk=made.id).member_id == bob.pk
    with pytest.raises(CreditsBusy):
        make_reserve(alice, model, member_id=bob.pk)
    make_reserve(alice, model)
    assert_counted(alice)


@pytest.mark.parametrize("changes", [{"active": False}, {"unreachable": True}])
def test_a_model_that_is_not_offered_is_not_charged(
    alice: User, model: AIModel, changes: dict[str, Any]
) -> None:
    AIModel.objects.filter(pk=model.pk).update(**changes)
    with pytest.raises(ModelNotOffered):
        make_reserve(alice, model)
    with pytest.raises(ModelNotOffered):
        reserve_credits(user_id=alice.pk, feature=TEXT, model="none", asked=Asked(1, 1, 1))


def test_a_model_of_another_feature_is_not_charged(alice: User) -> None:
    painter = make_model(feature="ai_image_generation")
    make_token_price(painter)
    with pytest.raises(ModelNotOffered):
        reserve_credits(user_id=alice.pk, feature=TEXT, model=painter.name, asked=Asked(1, 1, 1))


def test_a_price_may_be_for_so_much_input_only(alice: User, model: AIModel) -> None:
    make_token_price(model, max_input=1000)
    make_reserve(alice, model, input_bound=1000)
    with pytest.raises(InputTooLong):
        make_reserve(alice, model, input_bound=1001)


@pytest.mark.parametrize("asked", [Asked(-1, 1, 1), Asked(1, -1, 1), Asked(MAX_TOKENS + 1, 1, 1),
                                   Asked(1, MAX_TOKENS, 1, choices=2)])  # fmt: skip
def test_a_size_has_its_bounds(alice: User, model: AIModel, asked: Asked) -> None:
    with pytest.raises(LedgerError):
        reserve(alice, model, asked)


def test_the_largest_numbers_of_all_at_once_fit(model: AIModel) -> None:
    user = make_user()
    make_grant(user, 10**12)
    make_limit(user, MAX_LIMIT)
    make_token_price(model, **dict.fromkeys(BUCKETS, MAX_TOKEN_PRICE),
                     request=MAX_TOKEN_PRICE * 1000)  # fmt: skip
    reserves = [make_reserve(user, model, input_bound=MAX_TOKENS, output=MAX_TOKENS)
                for _ in range(3)]  # fmt: skip
    for each in reserves[:2]:
        assert each.credits == 2 * 10**8 + 100
        settle_use(charge_id=each.id, tokens=tokens(MAX_TOKENS, MAX_TOKENS))
    [state] = limit_states(account_id=user.pk)
    assert state.spent == 2 * reserves[0].credits * PICO
    assert state.held == reserves[0].credits * PICO
    assert state.left == MAX_LIMIT - 3 * reserves[0].credits
    assert_counted(user)


# --- What is asked for again ---------------------------------------------------------------------


def test_a_reserve_that_has_ended_is_found_again_and_not_made_anew(
    alice: User, model: AIModel
) -> None:
    key = {"idempotency_key": "k", "fingerprint": "f"}
    first = make_reserve(alice, model, **key)
    assert make_reserve(alice, model, **key) == first._replace(replayed=True)
    settle_use(charge_id=first.id, tokens=tokens(100, 0))
    AIModel.objects.filter(pk=model.pk).update(active=False)
    again = make_reserve(alice, model, **key)
    assert again == first._replace(replayed=True, held=False, balance=99)
    with pytest.raises(IdempotencyConflict):
        make_reserve(alice, model, **{**key, "fingerprint": "other"})
    assert UsageHistory.objects.filter(unit_cost__isnull=False).count() == 1


def test_the_key_of_a_charge_per_message_finds_that(alice: User, model: AIModel) -> None:
    """As when a model's price by tokens begins between a request and its repetition."""
    charge = make_charge(alice, idempotency_key="k", fingerprint="f")
    again = make_reserve(alice, model, idempotency_key="k", fingerprint="f")
    assert (again.id, again.replayed, again.credits) == (charge.id, True, 1)
    assert (again.price_id, again.output_granted) == (None, None)
    three = make_charge(alice, 3, idempotency_key="three", fingerprint="f")
    with pytest.raises(IdempotencyConflict):
        make_reserve(alice, model, idempotency_key="three", fingerprint="f")
    assert three.credits == 3
    reserve = make_reserve(alice, model, idempotency_key="r", fingerprint="f")
    assert make_charge(alice, idempotency_key="r", fingerprint="f").id == reserve.id


def test_what_is_no_charge_by_tokens_has_no_use(alice: User) -> None:
    charge = make_charge(alice)
    for charge_id in (charge.id, 10**15):
        ending = settle_use(charge_id=charge_id, tokens=tokens(5, 5))
        assert ending == UseEnding("ended", None, 0, 0, 0, 0)


# --- Time ----------------------------------------------------------------------------------------


def test_a_lease_is_as_long_as_it_was_asked_for(alice: User, model: AIModel, clock: Clock) -> None:
    now = clock.freeze()
    made = make_reserve(alice, model, lease_seconds=60)
    assert Hold.objects.get(charge=made.id).lease_until == now + timedelta(seconds=60)


def test_a_clock_that_is_set_back_lets_no_limit_be_passed(
    alice: User, model: AIModel, clock: Clock
) -> None:
    """What was spent on a day that lies ahead now is spent."""
    clock.freeze(datetime(2030, 6, 12, 0, 0, 1, tzinfo=UTC))
    for period in ("week", "month", "ever"):
        make_limit(alice, 5, period, since=date(2030, 1, 1))
    make_charge(alice, 3)
    held = make_reserve(alice, model, output=500)
    clock.move(seconds=-2)
    with pytest.raises(LedgerError):
        make_charge(alice)
    settle_use(charge_id=held.id, tokens=tokens(1000, 500))
    with pytest.raises(LimitReached):
        make_reserve(alice, model)
    assert_counted(alice)


def test_a_week_that_counts_from_its_middle(alice: User, clock: Clock) -> None:
    clock.freeze(datetime(2030, 6, 12, 12, tzinfo=UTC))  # A Wednesday.
    make_charge(alice, 5)
    clock.move(days=1)
    make_limit(alice, 5, "week", since=date(2030, 6, 13))
    make_charge(alice, 5)
    with pytest.raises(LimitReached):
        make_charge(alice)
    clock.move(days=4)
    make_charge(alice, 5)
    with pytest.raises(LimitReached):
        make_charge(alice)


def test_what_came_back_of_a_grant_that_ended_is_not_there_for_ever(
    model: AIModel, clock: Clock
) -> None:
    """Of two grants that pay one call the one that ended loses what was not used; the other has
    it back first."""
    clock.freeze()
    user = make_user()
    make_grant(user, 2, expires_at=clock.now() + timedelta(seconds=60))
    make_grant(user, 50)
    held = make_reserve(user, model, output=1500, lease_seconds=600)
    assert held.credits == 4
    clock.move(seconds=61)
    ending = settle_use(charge_id=held.id, tokens=tokens(100, 0))
    assert (ending.kept, ending.refunded) == (1, 3)
    assert (sql_balance(user), get_balance(user_id=user.pk).remaining) == (50, 50)
    [came_back] = CreditGrant.objects.filter(source="refund")
    assert (came_back.amount, came_back.remaining) == (1, 0)
    assert came_back.expires_at and came_back.expires_at <= clock.now()


def reserve(user: User, model: AIModel, asked: Asked, **fields: Any) -> Any:
    return reserve_credits(
        user_id=user.pk, feature=model.feature, model=model.name, asked=asked, **fields
    )


def test_a_price_per_message_is_kept_to_beside_a_price_by_tokens(
    alice: User, model: AIModel, clock: Clock
) -> None:
    """The price by tokens ends: the model costs a message's price from then on."""
    set_price("ai_text_chat", 4)
    held = make_reserve(alice, model)
    make_token_price(model, **dict.fromkeys(BUCKETS))
    assert make_charge(alice, model=model.name).credits == 4
    with pytest.raises(OtherPricing):
        make_reserve(alice, model)
    assert settle_use(charge_id=held.id, tokens=tokens(0, 1000)).kept == 2
