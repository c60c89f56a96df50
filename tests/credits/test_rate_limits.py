"""Limits of any kind: as many as the limit in any window, however many come at once."""

from datetime import UTC, datetime, timedelta

import pytest

from credits.kernel import call_kernel
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


def taken(*keys: tuple[str, int]) -> tuple[int, int, int, int]:
    """What counting a use under several keys at once returns."""
    wait, most, remaining, reset = call_kernel(
        "credits_take", counted=[key for key, _ in keys], at_most=[most for _, most in keys],
        span=MINUTE,
    )  # fmt: skip
    return wait, most, remaining, reset


@pytest.mark.django_db
def test_of_several_keys_the_tightest_is_told(clock: Clock) -> None:
    clock.freeze()
    assert taken(("key", 5), ("account", 7)) == (0, 5, 4, 60)
    for _ in range(4):
        taken(("other", 100), ("account", 7))
    clock.move(seconds=10)
    assert taken(("key", 5), ("account", 7)) == (0, 7, 1, 60)


@pytest.mark.django_db
def test_what_one_key_refuses_is_counted_under_none(clock: Clock) -> None:
    clock.freeze()
    assert taken(("key", 5), ("account", 2)) == (0, 2, 1, 60)
    clock.move(seconds=20)
    assert taken(("key", 5), ("account", 2)) == (0, 2, 0, 60)
    for _ in range(9):
        assert taken(("key", 5), ("account", 2)) == (40, 2, 0, 60)
    clock.move(seconds=45)
    assert taken(("key", 5), ("account", 100)) == (0, 5, 3, 60)


@pytest.mark.django_db
def test_many_uses_are_counted_in_sixtieths_of_the_span(clock: Clock) -> None:
    clock.freeze(datetime(2030, 1, 1, tzinfo=UTC))
    for _ in range(20):
        assert [take("many", limit=100, window=MINUTE) for _ in range(5)] == [0] * 5
        clock.move(seconds=0.5)
    row = RateLimit.objects.get(key="many")
    assert (len(row.moments), row.counts, row.uses) == (10, [10] * 10, 100)
    assert take("many", limit=100, window=MINUTE) == seconds_to_wait(
        "many", limit=100, window=MINUTE
    )
    assert take("many", limit=100, window=MINUTE) == 50
    clock.move(seconds=50)
    assert [take("many", limit=100, window=MINUTE) for _ in range(11)] == [0] * 10 + [1]


@pytest.mark.django_db
def test_an_even_rate_at_the_limit_is_never_refused(clock: Clock) -> None:
    clock.freeze(datetime(2030, 1, 1, 0, 0, 0, 700_000, tzinfo=UTC))
    for _ in range(700):
        assert take("even", limit=300, window=MINUTE) == 0
        clock.move(seconds=0.2)


@pytest.mark.django_db
def test_a_limit_that_was_lowered_waits_until_enough_have_left(clock: Clock) -> None:
    clock.freeze(datetime(2030, 1, 1, tzinfo=UTC))
    for _ in range(6):
        assert take("lowered", limit=200, window=MINUTE) == 0
        clock.move(seconds=5)
    assert take("lowered", limit=2, window=MINUTE) == 50
    clock.move(seconds=50)
    assert take("lowered", limit=2, window=MINUTE) == 0


@pytest.mark.django_db
def test_of_uses_counted_together_one_is_given_back(clock: Clock) -> None:
    clock.freeze(datetime(2030, 1, 1, tzinfo=UTC))
    for _ in range(3):
        take("many", limit=100, window=MINUTE)
    give_back("many")
    row = RateLimit.objects.get(key="many")
    assert (len(row.moments), row.counts, row.uses) == (1, [2], 2)
    give_back("many")
    give_back("many")
    row.refresh_from_db()
    assert (row.moments, row.counts, row.uses) == ([], [], 0)
