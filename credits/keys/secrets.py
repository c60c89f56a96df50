"""How the secret of an API key is written: `sk-tally_`, 30 random letters and digits (178 bits, so
that a digest without a key cannot be searched for) and their CRC-32 in 6 more. Many clients ask for
`sk-`; the checksum tells a typing error, and a scanner for leaked secrets, that this is one."""

import hashlib
import re
import secrets
import zlib

from credits.models.keys import BASE62

PREFIX = "sk-tally_"
RANDOM, CHECKSUM, HINT = 30, 6, 4
_FORM = re.compile(rf"{PREFIX}([0-9A-Za-z]{{{RANDOM}}})([0-9A-Za-z]{{{CHECKSUM}}})")


def new_secret() -> str:
    """A random secret; it is shown once, and only `digest_of` it is kept."""
    random = "".join(secrets.choice(BASE62) for _ in range(RANDOM))
    return f"{PREFIX}{random}{_checksum(random)}"


def is_well_formed(secret: str) -> bool:
    """Whether a secret is written like this, whichever were made."""
    form = _FORM.fullmatch(secret)
    return form is not None and _checksum(form[1]) == form[2]


def digest_of(secret: str) -> bytes:
    """What is stored of a secret: SHA-256."""
    return hashlib.sha256(secret.encode()).digest()


def hint_of(secret: str) -> str:
    """The end of a secret, by which its owner knows it; it is of the checksum alone."""
    return secret[-HINT:]


def _checksum(random: str) -> str:
    """CRC-32 in base 62, most significant digit first, with leading zeros."""
    value = zlib.crc32(random.encode())
    digits = []
    for _ in range(CHECKSUM):
        value, digit = divmod(value, len(BASE62))
        digits.append(BASE62[digit])
    return "".join(reversed(digits))
