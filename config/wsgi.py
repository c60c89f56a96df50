"""The WSGI application that granian serves."""

import os
import re
import sys
from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.wsgi import get_wsgi_application

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# Seconds for which a thread keeps the interpreter while others wait. An answer passes through three
# threads before its first token is out; with the default of 5 ms each hand-over may take that long.
sys.setswitchinterval(0.0005)

CHARSET = re.compile(r";\s*charset\s*=[^;]*", re.IGNORECASE)
BROKEN_OFF = b'{"error": "malformed", "message": "The body ended before its length."}'
django_application = get_wsgi_application()


def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Django, told nothing of the body's charset: all is UTF-8 here. It would take `charset=rot13`
    at its word and fail while making the request, before any handler of errors is in place."""
    environ["CONTENT_TYPE"] = CHARSET.sub("", environ.get("CONTENT_TYPE", ""))
    if not take_body(environ):
        start_response("400 Bad Request", [("Content-Type", "application/json")])
        return [BROKEN_OFF]
    return django_application(environ, start_response)


def take_body(environ: "WSGIEnvironment") -> bool:
    """Reads the body that Django would misread: one in chunks, whose length nobody said, it takes
    for empty; one that was broken off, for a shorter one, and that may be a message to charge.
    Returns whether it is whole. One that is too large is left to be refused."""
    room = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    said = int(environ.get("CONTENT_LENGTH") or 0)
    if "HTTP_TRANSFER_ENCODING" in environ:
        body = environ["wsgi.input"].read(room + 1)
        environ["CONTENT_LENGTH"] = str(len(body))
    elif 0 < said <= room:
        body = environ["wsgi.input"].read(said)
        if len(body) < said:
            return False
    else:
        return True
    environ["wsgi.input"] = BytesIO(body)
    return True
