"""Asking the ledger whether it stands, and naming the rule that refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from credits.check import run_checks

#: The sweeper does not run in tests, unless a test says so.
NO_SWEEPER = timedelta(days=36500)


def assert_ledger_stands(*, grace: timedelta = NO_SWEEPER) -> None:
    """Every check of `credits.check` finds nothing."""
    differences = [
        f"{result.check.name}: {result.offences} ({result.check.offender} {result.offenders})"
        for result in run_checks(grace=grace)
        if not result.ok
    ]
    assert not differences, f"The ledger has differences: {differences}"


@contextmanager
def refused_by(rule: str) -> Iterator[None]:
    """PostgreSQL refuses what happens inside, by the constraint or trigger of this name."""
    with pytest.raises(IntegrityError) as refusal, transaction.atomic():
        yield
    diagnosis = refusal.value.__cause__.diag  # type: ignore[union-attr]
    assert diagnosis.constraint_name == rule, str(refusal.value)
