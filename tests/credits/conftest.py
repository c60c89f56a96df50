"""The days of the reports."""

import pytest

from tests.clock import Clock
from tests.credits.reports.days import NOON


@pytest.fixture
def days(clock: Clock) -> Clock:
    """The clock, stopped at noon of the tenth."""
    clock.freeze(NOON)
    return clock
