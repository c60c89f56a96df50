"""JSON as /v1 sends it: bodies and server-sent events, whatever a provider has put into them."""

import json
import math
from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse


def json_of(data: Any) -> bytes:
    """JSON as UTF-8, whatever a provider has put into it: half a surrogate pair is escaped, a
    number that is none becomes null."""
    try:
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(data, separators=(",", ":")).encode()
    except ValueError:
        return json_of(finite(data))


def finite(value: Any) -> Any:
    """The same JSON with null for infinite numbers and those that are not a number (NaN)."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {name: finite(each) for name, each in value.items()}
    return [finite(each) for each in value] if isinstance(value, list) else value


def event(data: Any) -> bytes:
    """A server-sent event with this JSON."""
    return b"data: %b\n\n" % json_of(data)


def json_response(data: Any, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """A whole response with this JSON."""
    return HttpResponse(json_of(data), content_type="application/json", headers=headers)
