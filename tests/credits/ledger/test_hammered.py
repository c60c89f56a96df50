"""Everything at once: no two operations wait for each other for ever, and the books are right."""

import os
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from random import Random

import pytest
from django.db import transaction

from credits.ledger import expire_credits, sweep_holds
from credits.models import Hold, User
from tests.clock import Clock
from tests.credits.ledger.counting import assert_counted, make_dear_model
from tests.credits.ledger.hammer import Hammer
from tests.factories import make_charge, make_grant
from tests.ledger import sql
from tests.parallel import backend_pid, in_background, in_parallel, wait_until_blocked

#: `make chaos` asks for more.
THREADS = int(os.environ.get("LEDGER_THREADS", "12"))
BLOWS, SEEDS = 50, int(os.environ.get("LEDGER_SEEDS", "2"))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
def test_threads_that_do_everything_to_three_users_never_deadlock(
    seed: int, alice: User, bob: User, carol: User, clock: Clock
) -> None:
    """A deadlock would be an OperationalError, which nobody catches."""
    charges = [make_charge(alice, hold=True).id, make_charge(bob).id]
    users, model = [alice, bob, carol], make_dear_model()
    hammers = [Hammer(Random(f"{seed} {n}"), users, model, charges) for n in range(THREADS)]
    done: Counter[str] = Counter()
    for counted in in_parallel(THREADS, lambda number: hammers[number].strike(BLOWS)):
        done.update(counted)
    assert done.total() == THREADS * BLOWS
    assert {"spend", "hold", "settle", "release", "refund", "adjust", "grant"} <= set(done)
    assert {"reserve", "use", "token_price", "limit", "unlimit", "tell"} <= set(done)
    for user in users:
        assert_counted(user)
    clock.move(hours=1)
    sweep_holds()
    assert not Hold.objects.exists()
    for user in users:
        assert_counted(user)


@pytest.mark.django_db(transaction=True)
def test_a_spend_that_waited_for_its_turn_sees_the_time_it_got_it(bob: User, clock: Clock) -> None:
    """What expired while it waited is not spent."""
    make_grant(bob, 5, expires_at=clock.now() + timedelta(seconds=60), priority=1)
    with transaction.atomic():
        sql("SELECT credits_lock(%s)", bob.pk)
        spend = in_background(lambda: make_charge(bob, 3))
        wait_until_blocked(by=backend_pid())
        in_background(lambda: clock.move(seconds=61)).result()
    assert spend.result().balance == 7


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("sweep", [sweep_holds, expire_credits])
def test_sweeps_take_users_in_the_order_of_their_ids(
    sweep: Callable[[], int], alice: User, bob: User, clock: Clock
) -> None:
    """Two that went in different orders would wait for each other."""
    for user in (bob, alice):
        make_charge(user, hold=True, lease_seconds=60)
        make_grant(user, 1, expires_at=clock.now() + timedelta(seconds=60))
    clock.move(seconds=61)
    with transaction.atomic():
        sql("SELECT credits_lock(%s)", alice.pk)
        sweeping = in_background(sweep)
        wait_until_blocked(by=backend_pid())
        sql("SELECT FROM credits_creditbalance WHERE account_id = %s FOR UPDATE NOWAIT", bob.pk)
    assert sweeping.result() == 2
