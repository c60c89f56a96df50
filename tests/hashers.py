"""How tests hash passwords: at once, or when they say so, within the site's bounds."""

import os
import time
from pathlib import Path

from django.contrib.auth.hashers import MD5PasswordHasher

from config.hashing import BoundedHashing


class _Gated(MD5PasswordHasher):
    """Takes as long as the file HASH_GATE is there, if a running site has one."""

    def encode(self, password: str, salt: str) -> str:
        gate = os.environ.get("HASH_GATE")
        while gate and Path(gate).exists():
            time.sleep(0.01)
        return str(super().encode(password, salt))


class QuickHasher(BoundedHashing, _Gated):
    """A real hash costs 0.3 s by design; the tests make hundreds of accounts."""
