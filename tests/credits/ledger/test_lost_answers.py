"""A commit whose answer never came may have landed. Whatever is retried carries a key made before
the first try, so that trying again until there is an answer does the thing once."""

import threading
from collections.abc import Callable

import pytest
from django.db import InterfaceError, OperationalError, connection

from credits.adjustments import adjust_credits
from credits.ledger import Charge, Ending, refund_charge, release_charge, settle_charge
from credits.models import CreditGrant, UsageHistory, User
from credits.uses import Tokens, UseEnding, settle_use
from tests.credits.ledger.counting import make_dear_model
from tests.factories import make_charge, make_grant, make_reserve
from tests.ledger import sql_balance
from tests.lossy import over_lossy_wire
from tests.parallel import backend_pid, in_background, in_parallel, kill_backends

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("act", "balance"),
    [
        (lambda user, _: make_charge(user, 3, idempotency_key="k"), 87),
        (lambda user, _: make_charge(user, 3, idempotency_key="k", hold=True), 87),
        (lambda user, _: make_grant(user, 5, key="k"), 95),
        (
            lambda user, _: adjust_credits(
                user_id=user.pk, reason="r", actor="a", idempotency_key="k", delta=-7
            ),
            83,
        ),
        (
            lambda _, charge_id: refund_charge(
                charge_id=charge_id, reason="r", idempotency_key="k", amount=4
            ),
            94,
        ),
    ],
)
def test_what_landed_without_an_answer_is_not_done_again(
    act: Callable[[User, int], Charge], balance: int, alice: User
) -> None:
    charge = make_charge(alice, 10)
    with over_lossy_wire() as (wire, own):
        own.ensure_connection()
        wire.lose_next_answer()
        with pytest.raises(OperationalError):
            act(alice, charge.id)
        own.close()
        assert sql_balance(alice) == balance, "The first try had landed."
        assert act(alice, charge.id).replayed
    assert (wire.lost, sql_balance(alice)) == (1, balance)


def test_a_release_that_landed_without_an_answer_says_so_when_repeated(alice: User) -> None:
    charge = make_charge(alice, 10, hold=True)
    with over_lossy_wire() as (wire, own):
        own.ensure_connection()
        wire.lose_next_answer()
        with pytest.raises(OperationalError):
            release_charge(charge_id=charge.id, reason="r")
        own.close()
        assert release_charge(charge_id=charge.id, reason="r") == Ending("ended", None, 10)
        assert settle_charge(charge_id=charge.id) == Ending("ended", None, 10)
    assert sql_balance(alice) == 100


def test_a_reserve_and_a_use_that_landed_without_an_answer_say_so_when_repeated(
    alice: User,
) -> None:
    """The process that comes back has other counts: the first ones stand."""
    model = make_dear_model()
    with over_lossy_wire() as (wire, own):
        own.ensure_connection()
        wire.lose_next_answer()
        with pytest.raises(OperationalError):
            make_reserve(alice, model, idempotency_key="k")
        own.close()
        assert sql_balance(alice) == 97, "The first try had landed."
        reserve = make_reserve(alice, model, idempotency_key="k")
        assert (reserve.replayed, reserve.held) == (True, True)
        assert (reserve.credits, reserve.output_granted) == (3, 1000)
        wire.lose_next_answer()
        with pytest.raises(OperationalError):
            settle_use(charge_id=reserve.id, tokens=Tokens(0, 0, 0, 300, 0, "provider"))
        own.close()
        late = settle_use(charge_id=reserve.id, tokens=Tokens(0, 0, 0, 900, 0, "provider"))
        assert late == UseEnding("ended", None, 2, 600 * 10**9, 600 * 10**9, 1)
        assert not make_reserve(alice, model, idempotency_key="k").held
    assert (wire.lost, sql_balance(alice)) == (2, 99)


def test_spends_whose_backends_are_killed_at_any_moment_land_once(alice: User) -> None:
    make_grant(alice, 1000)
    victims: dict[int, int] = {}
    ended = threading.Event()
    killer = in_background(lambda: kill_backends(victims, ended))
    broken = in_parallel(4, lambda number: _spend_until_answered(alice, number, victims))
    ended.set()
    assert killer.result() > 0
    assert sum(broken) > 0, "No kill hit a spend; nothing was proved."
    rows = UsageHistory.objects.filter(user=alice, unit_cost__isnull=False)
    assert rows.count() == rows.values("idempotency_key").distinct().count() == 4 * 30
    assert sql_balance(alice) == 1100 - 4 * 30
    assert CreditGrant.objects.filter(user=alice).count() == 2


def _spend_until_answered(user: User, number: int, victims: dict[int, int]) -> int:
    """Thirty spends, each with a key of its own; the number of tries that broke."""
    broken = 0
    for step in range(30):
        while True:
            try:
                victims[number] = backend_pid()
                make_charge(user, idempotency_key=f"{number}:{step}")
                break
            except (OperationalError, InterfaceError):
                broken += 1
                connection.close()
    del victims[number]
    return broken
