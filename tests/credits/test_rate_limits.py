"""Limits of any kind: as many as the limit in any window, however many come at once."""

from datetime import timedelta

import pytest

from credits.models import RateLimit
from credits.rate_limits import forget, give_back, seconds_to_wait, take
from tests.clock import Clock
from tests.parallel import in_parallel

MINUTE = timedelta(minutes=1)


@pytest.mark.django_db(transaction=True)
def test_of_fifty_at_once_as_many_as_the_limit_are_let_through() -> None:
    waits = in_parallel(50, lambda _: take("thing:1", limit=7, window=MINUTE))
    assert waits.count(0) == 7
    assert all(0 <= wait <= 60 for wait in waits)


def test_a_refused_use_is_not_counted_so_waiting_helps(clock: Clock) -> None:
    clock.freeze()
    assert take("thing:1", limit=2, window=MINUTE) == 0
    clock.move(seconds=20)
    assert take("thing:1", limit=2, window=MINUTE) == 0
    for _ in range(3):
        assert take("thing:1", limit=2, window=MINUTE) == 40
    clock.move(seconds=40)
    assert take("thing:1", limit=2, window=MINUTE) == 0


def test_what_is_given_back_leaves_room_and_looking_counts_nothing(clock: Clock) -> None:
    clock.freeze()
    assert take("thing:1", limit=2, window=MINUTE) == 0
    clock.move(seconds=20)
    for _ in range(3):
        assert seconds_to_wait("thing:1", limit=2, window=MINUTE) == 0
    assert take("thing:1", limit=2, window=MINUTE) == 0
    assert seconds_to_wait("thing:1", limit=2, window=MINUTE) == 40
    give_back("thing:1")
    assert seconds_to_wait("thing:1", limit=2, window=MINUTE) == 0
    assert take("thing:1", limit=2, window=MINUTE) == 0
    for _ in range(3):
        give_back("thing:1")  # More than there are changes nothing.
    give_back("never used")
    assert take("thing:1", limit=1, window=MINUTE) == 0


def test_keys_do_not_share(clock: Clock) -> None:
    assert take("thing:1", limit=1, window=MINUTE) == 0
    assert take("thing:2", limit=1, window=MINUTE) == 0


def test_what_nobody_used_for_an_hour_is_forgotten(clock: Clock) -> None:
    clock.freeze()
    take("old", limit=1, window=MINUTE)
    clock.move(minutes=59)
    take("new", limit=1, window=MINUTE)
    clock.move(minutes=2)
    assert forget() == 1
    assert [row.key for row in RateLimit.objects.all()] == ["new"]
