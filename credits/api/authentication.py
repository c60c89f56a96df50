"""Who is asking, for a browser that signed in: its Django session."""

from rest_framework import authentication
from rest_framework.request import Request


class SessionAuthentication(authentication.SessionAuthentication):
    """Django's session, with its CSRF check. Nobody at all is 401, not 403: the header says that a
    Bearer token would do."""

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="tally"'
