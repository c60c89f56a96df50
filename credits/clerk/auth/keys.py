"""The public keys of session tokens: CLERK_JWT_KEY, or Clerk's JWKS, cached in this process and
read again when an unknown key appears, but not often."""

import logging
import threading
import time
from dataclasses import dataclass, field

import httpx
import jwt
from django.conf import settings

from config.errors import DomainError

logger = logging.getLogger(__name__)


class TokenRefused(DomainError):
    """The token is not accepted. `reason` is for the log, never for the answer."""

    status = 401
    code = "unauthenticated"

    def __init__(self, reason: str) -> None:
        super().__init__("This sign-in is not accepted.")
        self.reason = reason


#: Seconds that a set is used before it is read again, and while Clerk does not answer.
FRESH, STALE = 300, 3600
#: Seconds between two requests, however many unknown key ids come in.
PAUSE = 10
TIMEOUT = 3
#: Seconds that a thread waits for a request of another's.
PATIENCE = 5
MAX_BYTES = 64 * 1024
MAX_KEYS = 20


@dataclass
class KeySet:
    """The keys of one source. Another instance, another secret: another set."""

    keys: dict[str, jwt.PyJWK] = field(default_factory=dict)
    fetched_at: float = float("-inf")
    asked_at: float = float("-inf")
    lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, kid: str) -> jwt.PyJWK | None:
        """The key with this id; queries Clerk when it is unknown or the set is old."""
        if known := self._known(kid, FRESH):
            return known
        # Without an old key, waits for a request of another thread's: it may bring the key.
        if self.lock.acquire(timeout=0 if self._known(kid, STALE) else PATIENCE):
            try:
                self._fetch()
            finally:
                self.lock.release()
        return self._known(kid, STALE)

    def _known(self, kid: str, age: float) -> jwt.PyJWK | None:
        return self.keys.get(kid) if time.monotonic() - self.fetched_at < age else None

    def _fetch(self) -> None:
        if time.monotonic() - self.asked_at < PAUSE:
            return
        self.asked_at = time.monotonic()
        try:
            fetched = _fetch_keys()
        except Exception as error:  # noqa: BLE001 - whatever came instead, we have what we had
            logger.warning("Clerk's keys could not be read: %s", type(error).__name__)
            return
        self.keys, self.fetched_at = fetched, time.monotonic()


_sets: dict[tuple[str, str], KeySet] = {}


def key_for(kid: str) -> jwt.PyJWK | str:
    """The key that must have signed a token with this key id. Raises TokenRefused."""
    if settings.CLERK_JWT_KEY:
        return str(settings.CLERK_JWT_KEY)
    source = (settings.CLERK_API_URL, settings.CLERK_SECRET_KEY)
    if key := _sets.setdefault(source, KeySet()).find(kid):
        return key
    raise TokenRefused("jwk-kid-mismatch")


def _fetch_keys() -> dict[str, jwt.PyJWK]:
    with httpx.stream(
        "GET",
        f"{settings.CLERK_API_URL}/jwks",
        headers={"Authorization": f"Bearer {settings.CLERK_SECRET_KEY}"},
        timeout=TIMEOUT,
        follow_redirects=False,
    ) as answer:
        answer.raise_for_status()
        body = b""
        for chunk in answer.iter_bytes():
            body += chunk
            if len(body) > MAX_BYTES:
                raise ValueError("more than a set of keys")
    listed = jwt.PyJWKSet.from_json(body.decode()).keys
    return {key.key_id: key for key in listed[:MAX_KEYS] if key.key_id and key.key_type == "RSA"}
