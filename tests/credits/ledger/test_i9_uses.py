"""I9: a use takes no more than its reserve; every ended charge by tokens has exactly one."""

from collections import Counter
from contextlib import suppress

import pytest

from credits.exceptions import CreditsBusy, InsufficientCredits, LedgerError
from credits.ledger import get_balance, release_charge, sweep_holds
from credits.models import AIModel, Hold, UsageHistory, Use, User
from credits.uses import Reserve, Tokens, settle_use
from tests.clock import Clock
from tests.factories import make_charge, make_grant, make_model, make_reserve, make_token_price
from tests.ledger import sql_balance
from tests.parallel import in_parallel

pytestmark = pytest.mark.django_db(transaction=True)
PROVIDER = Use.Source.PROVIDER
HALF = Tokens(500, 0, 0, 500, 0, PROVIDER)


@pytest.fixture
def model(db: None) -> AIModel:
    """1 credit per 1,000 tokens: a reserve of the usual size is 2 credits."""
    model = make_model()
    make_token_price(model, **dict.fromkeys(
        ["input", "cached", "cache_write", "output", "reasoning"], 10**9))  # fmt: skip
    return model


def test_no_number_of_reserves_at_once_takes_more_than_there_is(
    carol: User, model: AIModel
) -> None:
    """Of 101 credits fifty reserves are covered, of 500 that are asked for by fifty at once."""
    make_grant(carol, 101)

    def reserve(_: int) -> list[Reserve]:
        made = []
        for _ in range(10):
            with suppress(InsufficientCredits, CreditsBusy):
                made.append(make_reserve(carol, model, least=1000))
        return made

    reserved = [each for made in in_parallel(50, reserve) for each in made]
    assert (len(reserved), sql_balance(carol)) == (50, 1)
    for each in reserved:
        settle_use(charge_id=each.id, tokens=HALF)
    assert get_balance(user_id=carol.pk).remaining == 101 - 50


def test_reserves_and_charges_at_once_take_no_more_than_there_is(
    carol: User, model: AIModel
) -> None:
    make_grant(carol, 40)

    def act(number: int) -> int:
        if number % 2:
            return make_charge(carol, 3, hold=True).credits
        return make_reserve(carol, model, least=1000).credits

    answers = in_parallel(60, act, catch=LedgerError)
    refusals = {type(answer) for answer in answers if isinstance(answer, Exception)}
    assert refusals <= {InsufficientCredits, CreditsBusy}
    taken = sum(answer for answer in answers if isinstance(answer, int))
    assert 38 <= taken <= 40
    assert sql_balance(carol) == 40 - taken


def test_a_reserve_ends_once_whoever_ends_it(alice: User, model: AIModel, clock: Clock) -> None:
    """Settled, released and swept at the same time: one of them decides, 30 times."""
    for _ in range(30):
        reserve = make_reserve(alice, model, lease_seconds=60)
        clock.move(seconds=61)

        def end(number: int, charge_id: int = reserve.id) -> str:
            if number % 3 == 0:
                return settle_use(charge_id=charge_id, tokens=HALF).outcome
            if number % 3 == 1:
                return release_charge(charge_id=charge_id, reason="provider_error").outcome
            sweep_holds()
            return "swept"

        outcomes = Counter(in_parallel(6, end))
        assert outcomes["settled"] + outcomes["refunded"] <= 1
        assert Use.objects.filter(charge=reserve.id).count() == 1
    assert not Hold.objects.exists()
    charges = UsageHistory.objects.filter(bound__isnull=False)
    kept = sum(use.kept for use in Use.objects.all())
    assert (charges.count(), sql_balance(alice)) == (30, 100 - kept)


def test_a_lease_that_ran_out_is_a_use_of_nothing(
    alice: User, model: AIModel, clock: Clock
) -> None:
    reserve = make_reserve(alice, model, lease_seconds=60)
    clock.move(seconds=61)
    assert make_charge(alice).balance == 99
    use = Use.objects.get(charge=reserve.id)
    assert (use.source, int(use.cost), use.kept) == ("none", 0, 0)
    late = settle_use(charge_id=reserve.id, tokens=HALF)
    assert (late.outcome, late.kept, late.refunded) == ("ended", 0, 2)
