"""Knows a visitor by Clerk's cookie while it is good, and marks impersonated sessions."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

from credits.clerk import conf
from credits.clerk.auth.sessions import IMPERSONATED, tokens_in_cookies, user_of_cookies

type GetResponse = Callable[[HttpRequest], HttpResponseBase]


class ClerkMiddleware:
    """Between Django's session, which wins, and the rule that a page wants somebody signed in."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if conf.signs_in():
            self._identify(request)
        return self.get_response(request)

    def _identify(self, request: HttpRequest) -> None:
        impersonated = IMPERSONATED in request.session and request.session[IMPERSONATED]
        anonymous = tokens_in_cookies(request) and not request.user.is_authenticated
        if anonymous and (known := user_of_cookies(request)):
            request.user, claims = known
            impersonated = claims.impersonated
        request.clerk_impersonated = impersonated  # type: ignore[attr-defined]
