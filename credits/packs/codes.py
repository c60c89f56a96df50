"""How a redeem code is written: 20 letters and digits in four groups, of which the last is a check
symbol. The alphabet is Crockford's base 32, without I, L, O and U; the 19 others are random, 95
bits, so that a digest without a key cannot be searched for."""

import hashlib
import re
import secrets
import unicodedata

from config.errors import InvalidInput

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH, GROUP = 20, 5
#: Characters that are looked at; a code with any separators is far shorter.
LONGEST = 200
VALUES = {symbol: value for value, symbol in enumerate(ALPHABET)}
#: What people type for a letter or digit of the alphabet: letters that it leaves out, and those of
#: the Greek and Cyrillic alphabets that look the same.
LOOK_ALIKES = str.maketrans("ILOΑΒΕΖΗΙΚΜΝΟΡΤΥΧАВЕКМНОРСТХУЅІЈ", "110ABEZH1KMN0PTYXABEKMH0PCTXYS1J")
#: Blanks, dashes, dots and what cannot be seen, between and around the groups.
_SEPARATORS = re.compile(r"[\W_]+")


class CodeMistyped(InvalidInput):
    """No code is written like this, whichever were made. Nothing was looked up."""

    path = ("code",)

    def __init__(self) -> None:
        super().__init__(
            f"This is not how a code is written: it has {LENGTH} letters and digits. "
            "Look for a typing error."
        )


def new_code() -> str:
    """A random code, as people get it: `7K3QX-…` in groups."""
    symbols = [secrets.choice(ALPHABET) for _ in range(LENGTH - 1)]
    # The rest is a field: exactly one check symbol brings the sum to 0.
    code = "".join(symbols) + ALPHABET[_times_x(_sum(symbols))]
    return "-".join(re.findall(f".{{{GROUP}}}", code))


def normalised(typed: str) -> str:
    """The code that somebody typed, in capitals and without separators. Raises CodeMistyped when it
    is none."""
    text = unicodedata.normalize("NFKC", typed[:LONGEST]).upper()
    # Digits of other scripts too.
    text = "".join(str(unicodedata.decimal(letter, letter)) for letter in text)
    code = _SEPARATORS.sub("", text).translate(LOOK_ALIKES)
    if len(code) != LENGTH or not set(code) <= VALUES.keys() or _sum(code) != 0:
        raise CodeMistyped
    return code


def digest_of(code: str) -> str:
    """What is stored of a code: SHA-256 of `normalised`, in hexadecimal."""
    return hashlib.sha256(normalised(code).encode()).hexdigest()


def _sum(symbols: list[str] | str) -> int:
    """The symbols as a polynomial over GF(32) at x, by Horner's rule. A code has the sum 0: then
    any one wrong symbol, and any two that changed places, give another (31 powers of x differ)."""
    total = 0
    for symbol in symbols:
        total = _times_x(total) ^ VALUES[symbol]
    return total


def _times_x(value: int) -> int:
    """Multiplies by x in GF(32), modulo x^5 + x^2 + 1."""
    return value << 1 ^ (0b100101 if value & 0b10000 else 0)
