"""Verifying session tokens: RS256 only, and every claim that matters."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import jwt
from django.conf import settings
from django.http.request import validate_host

from credits.clerk import conf
from credits.clerk.auth import keys
from credits.clerk.auth.keys import TokenRefused
from credits.clerk.parsing import as_id

#: Seconds by which Clerk's clock and ours may differ.
LEEWAY = 5
MAX_LENGTH = 8192
#: The category of session tokens. Template tokens have another: the same key signs them, and they
#: outlive their session.
SESSION_CATEGORY = "cl_B7d4PD111AAA"
REQUIRED = ["exp", "iat", "nbf", "sub", "sid"]
SUBJECT = re.compile(r"[\w.-]{1,64}", re.ASCII)


@dataclass(frozen=True)
class SessionClaims:
    """The user, the session, whether somebody else acts in the user's name, and whether the user
    showed a second factor in this session."""

    user_id: str
    session_id: str
    impersonated: bool
    second_factor: bool


def verify_session_token(token: str) -> SessionClaims:
    """The claims of a session token of our Clerk instance. Raises TokenRefused."""
    header = _header(token)
    claims = _decode(token, keys.key_for(as_id(header.get("kid"))))
    _check_party(claims.get("azp"))
    if claims.get("sts", "active") != "active":
        raise TokenRefused("session-pending")
    user_id, session_id = claims["sub"], str(claims["sid"])
    if not SUBJECT.fullmatch(session_id) or not SUBJECT.fullmatch(user_id):
        raise TokenRefused("token-invalid")
    return SessionClaims(
        user_id,
        session_id,
        impersonated="act" in claims,
        second_factor=_has_second_factor(claims.get("fva")),
    )


def _has_second_factor(ages: object) -> bool:
    """`fva` says how many minutes ago the first and the second factor were shown; -1 for one that
    never was (clerk.com/docs/guides/sessions/session-tokens)."""
    if not isinstance(ages, list) or len(ages) != 2:
        return False
    return type(ages[1]) is int and ages[1] >= 0


def claimed_issue(token: str) -> int:
    """When the token says that it was issued (seconds since 1970), 0 if it does not say. Nothing is
    verified: good for the order in which tokens are judged, for nothing else."""
    try:
        claims = jwt.decode(token[:MAX_LENGTH], options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        return 0
    issued = claims.get("iat")
    return issued if isinstance(issued, int) else 0


def _header(token: str) -> dict[str, Any]:
    if len(token) > MAX_LENGTH:
        raise TokenRefused("token-too-large")
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise TokenRefused("token-invalid") from None
    if header.get("alg") != "RS256":
        raise TokenRefused("token-invalid-algorithm")
    if header.get("cat", SESSION_CATEGORY) != SESSION_CATEGORY:
        raise TokenRefused("token-type-mismatch")
    return header


#: The nearest class decides; PyJWT's errors have one ancestor.
REASONS: dict[type[Exception], str] = {
    jwt.ExpiredSignatureError: "token-expired",
    jwt.InvalidSignatureError: "token-invalid-signature",
    jwt.InvalidAlgorithmError: "token-invalid-algorithm",
    jwt.InvalidIssuerError: "token-invalid-issuer",
    jwt.InvalidIssuedAtError: "token-iat-in-the-future",
    jwt.ImmatureSignatureError: "token-not-active-yet",
    jwt.MissingRequiredClaimError: "token-claim-missing",
}


def _decode(token: str, key: jwt.PyJWK | str) -> dict[str, Any]:
    try:
        return jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            issuer=conf.issuer(),
            leeway=LEEWAY,
            options={"require": REQUIRED, "verify_aud": False},
        )
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise TokenRefused(REASONS.get(type(error), "token-invalid")) from None


def _check_party(azp: object) -> None:
    """`azp` is the page that asked for the token. Without CLERK_AUTHORIZED_PARTIES, one of our
    hosts; a token without `azp` passes only then."""
    parties = settings.CLERK_AUTHORIZED_PARTIES
    if not (azp in parties if parties else not azp or _is_ours(str(azp))):
        raise TokenRefused("token-invalid-authorized-parties")


def _is_ours(origin: str) -> bool:
    try:
        host = urlsplit(origin).hostname or ""
    except ValueError:
        return False
    return validate_host(f"[{host}]" if ":" in host else host, settings.ALLOWED_HOSTS)
