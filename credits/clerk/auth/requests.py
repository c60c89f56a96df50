"""Clerk's session tokens on requests: as a cookie on pages, as `Authorization: Bearer` on the JSON
API."""

import logging
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from rest_framework import authentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from credits.clerk import conf
from credits.clerk.auth import sessions
from credits.clerk.auth.keys import TokenRefused
from credits.models import User

logger = logging.getLogger(__name__)


class ClerkMiddleware:
    """Knows a visitor by Clerk's cookie while it is good, and marks impersonated sessions and those
    that showed Clerk's second factor. Runs after Django's session, which has precedence, and before
    the rule that pages need a sign-in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if conf.signs_in():
            impersonated = request.session.get(sessions.IMPERSONATED, False)
            second_factor = request.session.get(sessions.SECOND_FACTOR, False)
            anonymous = sessions.tokens_in_cookies(request) and not request.user.is_authenticated
            if anonymous and (known := sessions.user_of_cookies(request)):
                request.user, claims = known
                impersonated, second_factor = claims.impersonated, claims.second_factor
            request.clerk_impersonated = impersonated  # type: ignore[attr-defined]
            request.clerk_second_factor = second_factor  # type: ignore[attr-defined]
        return self.get_response(request)


class ClerkTokenAuthentication(authentication.BaseAuthentication):
    """A session token is checked on each request. Without Clerk, other schemes decide."""

    def authenticate(self, request: Request) -> tuple[User, str] | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not conf.signs_in():
            return None
        try:
            user, claims = sessions.user_of_token(token.strip())
        except TokenRefused as refusal:
            logger.warning("Token refused: %s", refusal.reason)
            raise AuthenticationFailed("This token is not accepted.") from None
        # On Django's request, where views and `refuse_impersonated` look.
        plain: Any = request._request  # noqa: SLF001 - DRF hides it
        plain.clerk_impersonated = claims.impersonated
        plain.clerk_second_factor = claims.second_factor
        return user, claims.session_id

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="tally"'
