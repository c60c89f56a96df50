"""The JSON bodies of /v1, checked as far as the site itself reads them; what a provider alone reads
it judges itself."""

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from rest_framework.exceptions import ParseError

from ai_chat.gateway.errors import ApiError, Unsupported, invalid
from credits.api.parsing import read_json

#: Levels of lists and objects: tools bring schemas.
MAX_DEPTH = 100
#: Values of one body: each takes far more memory than its text. An input of embeddings may be
#: 300,000 tokens.
MAX_VALUES = 400_000
#: A string of JSON; also one that does not end, so that its end is looked for once.
STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?+', re.DOTALL)
#: A count that cannot be meant, in tokens.
MAX_COUNT = 10**8


def check_method(request: HttpRequest, method: str) -> None:
    """Raises ApiError for a request that is not made by this method. HEAD is a GET."""
    if request.method not in {method, "HEAD" if method == "GET" else method}:
        message = f"Not allowed: {request.method}. Use {method}."
        raise ApiError(405, "method_not_allowed", message, headers={"Allow": method})


def read_body(request: HttpRequest) -> dict[str, Any]:
    """The object that a request brings; META has the digest of its bytes. Raises ApiError."""
    check_method(request, "POST")
    room = settings.LARGE_BODIES.get(request.path_info, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
    if int(request.META.get("CONTENT_LENGTH") or 0) > room:
        raise ApiError(413, "request_too_large", f"The body has more than {room:,} bytes.")
    content = request.read()
    request.META["BODY_DIGEST"] = sha256(content).hexdigest()
    if _has_too_many_values(content):
        raise ApiError(413, "request_too_large", f"The body has more than {MAX_VALUES:,} values.")
    try:
        body = read_json(content, depth=MAX_DEPTH)
    except ParseError as error:
        raise ApiError(400, "invalid_json", str(error.detail)) from None
    if not isinstance(body, dict):
        raise ApiError(400, "invalid_json", "The body must be a JSON object.")
    return body


def _has_too_many_values(content: bytes) -> bool:
    """Whether it has more than MAX_VALUES values, before any of them is made."""
    # At most one of a string's quotes follows a backslash.
    if content.count(b'"') - content.count(b'\\"') > 2 * MAX_VALUES:
        return True
    if _marks(content) <= MAX_VALUES:
        return False
    return _marks(STRING.sub(b"", content)) > MAX_VALUES


def _marks(content: bytes) -> int:
    """How many values it may have: each but the first follows one of these."""
    return sum(content.count(mark) for mark in (b",", b"[", b"{"))


def text_in(body: Mapping[str, Any], name: str, *, default: str | None = None) -> str:
    """A text of the body. Raises InvalidInput."""
    value = body.get(name)
    if value is None and default is not None:
        return default
    if value is None:
        raise invalid("This is required.", name)
    if not isinstance(value, str) or not value:
        raise invalid("Must be a text that is not empty.", name)
    return value


def flag_in(body: Mapping[str, Any], name: str) -> bool:
    """A truth value of the body; absent or null is false. Raises InvalidInput."""
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise invalid("Must be true or false.", name)
    return bool(value)


def count_in(body: Mapping[str, Any], name: str, low: int, high: int = MAX_COUNT) -> int | None:
    """A whole number of the body; None when it is absent or null. Raises InvalidInput."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int or not low <= value <= high:
        raise invalid(f"Must be a whole number from {low:,} to {high:,}.", name)
    return value


def refuse(body: Mapping[str, Any], allowed: Mapping[str, tuple[Any, ...]], why: str) -> None:
    """Raises Unsupported for the first of these parameters that has another value than `allowed`:
    each of them costs what has no price here, or changes what is answered."""
    for name, values in allowed.items():
        if not is_among(body.get(name), (None, *values)):
            raise Unsupported(name, why)


def names_beside(body: Mapping[str, Any], *names: str) -> list[str]:
    """Names of the body that are none of these: parameters that are left out."""
    return sorted(body.keys() - set(names))


def is_among(value: Any, values: Iterable[Any]) -> bool:
    """Whether a JSON value is one of these. To Python 0 is False."""
    is_flag = isinstance(value, bool)
    return any(isinstance(each, bool) == is_flag and each == value for each in values)
