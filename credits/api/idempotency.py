"""Idempotency keys of POSTs that spend, and of admins' adjustments (I7)."""

import re

from django.http import HttpRequest
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from config.errors import InvalidInput

#: 1 to 255 visible ASCII characters.
KEY = r"^[\x21-\x7e]{1,255}$"
HEADER = "Idempotency-Key"

#: For `extend_schema(parameters=[…])`.
IDEMPOTENCY_KEY = OpenApiParameter(
    HEADER,
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": KEY},
    OpenApiParameter.HEADER,
    description="Made by the client before its first try: a retry with the same key and body "
    "gets the first answer and is never charged again.",
)
#: For the answers of calls that take a key.
REPLAYED_HEADER = OpenApiParameter(
    "Idempotent-Replayed",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    response=[200, 502],
    description="`true` when this answer is an earlier one.",
)


def read_key(request: Request | HttpRequest) -> str | None:
    """The request's Idempotency-Key, or None without one. Raises InvalidInput on one that is not
    1 to 255 visible ASCII characters."""
    key = request.headers.get(HEADER)
    if key is not None and not re.fullmatch(KEY, key):
        raise InvalidInput("Must be 1 to 255 visible ASCII characters.", (HEADER,))
    return key


def replay_headers(*, is_new: bool) -> dict[str, str]:
    """Further headers of an answer or an error that repeats an earlier one."""
    return {} if is_new else {"Idempotent-Replayed": "true"}
