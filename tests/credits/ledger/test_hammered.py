"""Everything at once: no two operations wait for each other for ever, and the books are right."""

from collections import Counter
from random import Random

import pytest

from credits.ledger import sweep_holds
from credits.models import Hold, User
from tests.clock import Clock
from tests.credits.ledger.hammer import Hammer
from tests.factories import make_charge
from tests.parallel import in_parallel

THREADS, BLOWS = 12, 50


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seed", [1, 2])
def test_threads_that_do_everything_to_three_users_never_deadlock(
    seed: int, alice: User, bob: User, carol: User, clock: Clock
) -> None:
    """A deadlock would be an OperationalError, which nobody catches."""
    charges = [make_charge(alice, hold=True).id, make_charge(bob).id]
    hammers = [Hammer(Random(f"{seed} {n}"), [alice, bob, carol], charges) for n in range(THREADS)]
    done: Counter[str] = Counter()
    for counted in in_parallel(THREADS, lambda number: hammers[number].strike(BLOWS)):
        done.update(counted)
    assert done.total() == THREADS * BLOWS
    assert {"spend", "hold", "settle", "release", "refund", "adjust", "grant"} <= set(done)
    clock.move(hours=1)
    sweep_holds()
    assert not Hold.objects.exists()
