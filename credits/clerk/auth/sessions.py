"""From a session token to an account, and to a Django session."""

import logging

from django.contrib.auth import login
from django.db import transaction
from django.db.models import Exists
from django.http import HttpRequest

from credits.clerk import conf
from credits.clerk.auth.keys import TokenRefused
from credits.clerk.auth.tokens import SessionClaims, claimed_issue, verify_session_token
from credits.clerk.identity import get_identity, pull_later
from credits.clerk.parsing import Payer
from credits.models import Identity, SessionLink, User

logger = logging.getLogger(__name__)

BACKEND = "credits.users.sessions.AccountBackend"
#: Seconds after which a Django session of Clerk's must be exchanged anew.
SESSION_AGE = 12 * 3600
#: Django sessions that stand for one of Clerk's at the same time.
BROWSERS = 10
SID, IMPERSONATED, SECOND_FACTOR = "clerk_sid", "clerk_impersonated", "clerk_second_factor"


def user_of_token(token: str) -> tuple[User, SessionClaims]:
    """The account of a session token; a new user gets one. Raises TokenRefused."""
    claims = verify_session_token(token)
    ended = SessionLink.objects.filter(sid=claims.session_id, ended_at__isnull=False)
    known = Identity.objects.select_related("user").annotate(session_ended=Exists(ended))
    row = known.filter(clerk_id=claims.user_id).first()
    if row.session_ended if row else ended.exists():
        raise TokenRefused("session-ended")
    identity = row or _new_identity(claims.user_id)
    if identity.deleted_at or not identity.user:
        raise TokenRefused("user-deleted")
    if not identity.user.is_active:
        raise TokenRefused("user-inactive")
    return identity.user, claims


@transaction.atomic
def _new_identity(clerk_id: str) -> Identity:
    """An account whose `user.created` has not come yet: a worker reads the rest from Clerk."""
    identity, _ = get_identity(Payer.of_user(clerk_id))
    pull_later(clerk_id)
    return identity


def tokens_in_cookies(request: HttpRequest) -> list[str]:
    """Session cookies, the newest first, and of two as new this instance's: in development,
    instances share a host, and one of the two names may be left from an earlier session."""
    names = (f"__session_{conf.cookie_suffix()}", "__session")
    tokens = [request.COOKIES[name] for name in names if request.COOKIES.get(name)]
    return sorted(tokens, key=claimed_issue, reverse=True)


def user_of_cookies(request: HttpRequest) -> tuple[User, SessionClaims] | None:
    """The user whom a valid cookie signs in."""
    for token in tokens_in_cookies(request):
        try:
            return user_of_token(token)
        except TokenRefused as refusal:
            # Expired ones are the rule: Clerk's cookies live a year, their tokens a minute.
            logger.debug("Clerk cookie refused: %s", refusal.reason)
    return None


@transaction.atomic
def start_session(request: HttpRequest, token: str) -> User:
    """A session of SESSION_AGE seconds, or until Clerk's ends. Raises TokenRefused."""
    user, claims = user_of_token(token)
    login(request, user, backend=BACKEND)
    request.session.cycle_key()
    request.session.set_expiry(SESSION_AGE)
    request.session[SID] = claims.session_id
    request.session[IMPERSONATED] = claims.impersonated
    request.session[SECOND_FACTOR] = claims.second_factor
    request.session.save()
    link, _ = SessionLink.objects.select_for_update().get_or_create(
        sid=claims.session_id, defaults={"clerk_id": claims.user_id}
    )
    if link.ended_at:
        # Clerk ended it between the check and this line.
        request.session.flush()
        raise TokenRefused("session-ended")
    keys = [*link.session_keys, str(request.session.session_key)]
    for forgotten in keys[:-BROWSERS]:  # Else it would outlive Clerk's session.
        request.session.delete(forgotten)
    link.session_keys = keys[-BROWSERS:]
    link.save(update_fields=["session_keys"])
    return user
