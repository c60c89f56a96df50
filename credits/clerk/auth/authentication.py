"""`Authorization: Bearer <Clerk session token>` for the JSON API."""

import logging

from rest_framework import authentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from credits.clerk import conf
from credits.clerk.auth.keys import TokenRefused
from credits.clerk.auth.sessions import user_of_token
from credits.models import User

logger = logging.getLogger(__name__)


class ClerkTokenAuthentication(authentication.BaseAuthentication):
    """A session token is checked on each request. Without Clerk, other schemes decide."""

    def authenticate(self, request: Request) -> tuple[User, str] | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not conf.signs_in():
            return None
        try:
            user, claims = user_of_token(token.strip())
        except TokenRefused as refusal:
            logger.warning("Token refused: %s", refusal.reason)
            raise AuthenticationFailed("This token is not accepted.") from None
        # On Django's request, where views and `refuse_impersonated` look.
        request._request.clerk_impersonated = claims.impersonated  # type: ignore[attr-defined]  # noqa: SLF001 - DRF hides it
        return user, claims.session_id

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="tally"'
