"""Clerk's configuration, read from the settings on each call, because tests change them."""

import base64
import hashlib
import re

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from jwt.algorithms import RSAAlgorithm
from jwt.exceptions import InvalidKeyError

HOST = re.compile(r"[a-z0-9.-]+(:\d{1,5})?", re.IGNORECASE)


def signs_in() -> bool:
    """Whether people sign in with Clerk: a publishable key is set."""
    return bool(settings.CLERK_PUBLISHABLE_KEY)


def has_backend() -> bool:
    """Whether Clerk's Backend API can be used: a secret key is set."""
    return bool(settings.CLERK_SECRET_KEY)


def takes_webhooks() -> bool:
    """Whether Clerk's webhooks are accepted: a signing secret is set."""
    return bool(settings.CLERK_WEBHOOK_SIGNING_SECRET)


def frontend_api(publishable_key: str = "") -> str:
    """The host (and port) that serves Clerk's scripts, from the publishable key. Raises
    ImproperlyConfigured when it is malformed."""
    key = publishable_key or settings.CLERK_PUBLISHABLE_KEY
    kind, _, encoded = key.removeprefix("pk_").partition("_")
    try:
        host = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True).decode("ascii")
    except ValueError:  # Not base64, or not ASCII before or after.
        host = ""
    host = host.removesuffix("$")
    if not key.startswith("pk_") or kind not in {"test", "live"} or not HOST.fullmatch(host):
        raise ImproperlyConfigured("CLERK_PUBLISHABLE_KEY must be a key like pk_live_….")
    return host


def issuer() -> str:
    """The `iss` of this instance's session tokens."""
    return f"https://{frontend_api()}"


def cookie_suffix() -> str:
    """The suffix of this instance's cookies, unlike other Clerk applications' on the same host."""
    digest = hashlib.sha1(settings.CLERK_PUBLISHABLE_KEY.encode(), usedforsecurity=False).digest()
    return base64.urlsafe_b64encode(digest).decode()[:8]


def validate() -> None:
    """Raises ImproperlyConfigured when the variables do not fit together."""
    if signs_in():
        frontend_api()
        _need("CLERK_SECRET_KEY", "CLERK_JWT_KEY", why="session tokens are checked with its key")
    if not settings.CLERK_SECRET_KEY.isascii():
        raise ImproperlyConfigured("CLERK_SECRET_KEY must be a key like sk_live_….")
    for secret in settings.CLERK_WEBHOOK_SIGNING_SECRET:
        _check_secret(secret)
    if settings.CLERK_JWT_KEY:
        try:
            key = RSAAlgorithm(RSAAlgorithm.SHA256).prepare_key(settings.CLERK_JWT_KEY)
        except InvalidKeyError:
            key = None
        if not isinstance(key, RSAPublicKey):
            raise ImproperlyConfigured("CLERK_JWT_KEY must be an RSA public key in PEM form.")
        _need("CLERK_PUBLISHABLE_KEY", why="it says whose session tokens CLERK_JWT_KEY checks")


def _need(*names: str, why: str) -> None:
    if not any(getattr(settings, name) for name in names):
        raise ImproperlyConfigured(f"{' or '.join(names)} must be set with Clerk: {why}.")


def _check_secret(secret: str) -> None:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if len(key) < 16:
        raise ImproperlyConfigured(
            "CLERK_WEBHOOK_SIGNING_SECRET must be whsec_… (several with commas)."
        )
