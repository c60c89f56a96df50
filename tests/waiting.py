"""Waiting in tests. Nothing here needs Django."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

#: Seconds to wait for what must come. It is long because the machine may be busy with other tests;
#: nobody waits longer than it takes.
PATIENCE = 120.0


def wait_for(
    condition: Callable[[], bool], what: str | Callable[[], str], *, pause: float = 0.02
) -> None:
    """Returns once the condition holds; looks again after each `pause` (seconds). Raises
    AssertionError after PATIENCE, which says `what` was waited for."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            described = what if isinstance(what, str) else what()
            raise AssertionError(f"Waited {PATIENCE:.0f} s in vain for {described}")
        time.sleep(pause)


def wait_past_midnight(margin: timedelta = timedelta(minutes=1)) -> None:
    """In the last minute of a UTC day, waits for the next: a test must not see two days."""
    now = datetime.now(UTC)
    if (now + margin).date() != now.date():
        midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), UTC)
        time.sleep((midnight - now).total_seconds())
