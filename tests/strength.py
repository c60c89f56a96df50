"""How thoroughly the tests try what has no end: `make test` takes samples, and `make schemathesis`
sets FULL_STRENGTH=1."""

import os

FULL_STRENGTH = os.environ.get("FULL_STRENGTH") == "1"


def usually[T](sample: T, *, full: T) -> T:
    """The sample, or at full strength all of it."""
    return full if FULL_STRENGTH else sample
