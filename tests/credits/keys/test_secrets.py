"""How the secret of a key is written."""

import binascii
import hashlib
import re
import string
from collections.abc import Callable

import pytest

from credits.keys.secrets import PREFIX, digest_of, hint_of, is_well_formed, new_secret


def test_a_secret_has_the_form_that_scanners_know() -> None:
    secret = new_secret()
    assert re.fullmatch(r"sk-tally_[0-9A-Za-z]{36}", secret)
    assert is_well_formed(secret)
    assert new_secret() != secret
    assert hint_of(secret) == secret[-4:]


def test_the_digest_is_plain_sha_256() -> None:
    secret = new_secret()
    assert digest_of(secret) == hashlib.sha256(secret.encode()).digest()


def test_the_end_is_a_crc_32_in_base_62() -> None:
    values = string.digits + string.ascii_uppercase + string.ascii_lowercase
    for _ in range(100):
        secret, checksum = new_secret(), 0
        for symbol in secret[-6:]:
            checksum = checksum * 62 + values.index(symbol)
        assert checksum == binascii.crc32(secret[len(PREFIX) : -6].encode())


def test_any_one_wrong_character_is_seen() -> None:
    secret = new_secret()
    for place in range(len(PREFIX), len(secret)):
        wrong = "b" if secret[place] == "a" else "a"
        assert not is_well_formed(secret[:place] + wrong + secret[place + 1 :])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda secret: secret[:0],
        lambda secret: secret[:-1],
        lambda secret: secret + "0",
        lambda secret: secret + "\n",
        lambda secret: " " + secret,
        lambda secret: secret.upper(),
        lambda secret: secret.removeprefix("sk-"),
        lambda secret: "sk-other_" + secret.removeprefix(PREFIX),
        lambda secret: secret[:20] + "\0" + secret[21:],
        lambda secret: secret[:20] + "\ud800" + secret[21:],
        lambda secret: secret[:20] + "é" + secret[21:],
        lambda secret: secret[:20] + "٣" + secret[21:],
        lambda secret: secret * 10_000,
    ],
)
def test_what_is_written_otherwise_is_no_secret(spoil: Callable[[str], str]) -> None:
    assert not is_well_formed(spoil(new_secret()))
