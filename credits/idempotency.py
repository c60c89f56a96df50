"""What a repeated request is recognised by (I7): a key, and what was asked under it."""

import hashlib
import json
from typing import Any


def namespaced(scope: str, key: str) -> str:
    """A key for the ledger that no other scope's keys can meet: it fits whatever the length."""
    return f"{scope}:{hashlib.sha256(key.encode()).hexdigest()}"


def fingerprint(request: Any) -> str:
    """What tells two requests under one key apart (64 characters), from anything JSON can say."""
    canonical = json.dumps(request, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()
