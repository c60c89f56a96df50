"""Django's WSGI application, which `config/asgi.py` calls in threads."""

import os
import re
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.core.wsgi import get_wsgi_application

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# Seconds for which a thread keeps the interpreter while others wait. An answer passes through three
# threads before its first token is out; with the default of 5 ms each hand-over may take that long.
sys.setswitchinterval(0.0005)

CHARSET = re.compile(r";\s*charset\s*=[^;]*", re.IGNORECASE)
django_application = get_wsgi_application()


def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Django without the charset of the body's type: all is UTF-8 here. It would apply
    `charset=rot13` and fail while making the request, before any handler of errors is in place."""
    environ["CONTENT_TYPE"] = CHARSET.sub("", environ.get("CONTENT_TYPE", ""))
    return django_application(environ, start_response)
