"""Secrets that must be read again, encrypted with a key that is made of SECRET_KEY for them alone.
A former SECRET_KEY in SECRET_KEY_FALLBACKS still decrypts what it has encrypted."""

from base64 import urlsafe_b64encode

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

#: What the keys are for (the `info` of RFC 5869): no other key of SECRET_KEY is the same.
PURPOSE = b"credits.events.encryption"


class Unreadable(Exception):
    """It was encrypted with a SECRET_KEY that is not known any more."""


def encrypt(text: str) -> str:
    """The text, encrypted and authenticated (Fernet)."""
    return _cipher().encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    """What `encrypt` was given. Raises Unreadable."""
    try:
        return _cipher().decrypt(token).decode()
    except InvalidToken:
        raise Unreadable from None


def _cipher() -> MultiFernet:
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return MultiFernet([Fernet(_derived(key)) for key in keys])


def _derived(key: str) -> bytes:
    kdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=PURPOSE)
    return urlsafe_b64encode(kdf.derive(key.encode()))
