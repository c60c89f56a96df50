"""Adding up the credits that plans bring in while something runs: a sync says how many it granted,
a dry run how many it would."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_granted: ContextVar[list[int] | None] = ContextVar("granted", default=None)


def note(amount: int) -> None:
    """A plan's credits came in."""
    tally = _granted.get()
    if tally is not None:
        tally.append(amount)


@contextmanager
def granted() -> Iterator[list[int]]:
    """The amounts that come in inside; those inside an inner one belong to that one alone."""
    tally: list[int] = []
    token = _granted.set(tally)
    try:
        yield tally
    finally:
        _granted.reset(token)
