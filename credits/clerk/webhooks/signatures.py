"""Verifying a webhook's signature and reading its body as JSON that the database can keep. Anything
unacceptable raises BadWebhook, nothing else."""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import product
from typing import Any

from config.errors import DomainError
from credits.clerk.parsing import storable

ID_LENGTH = 255
HEADER_LENGTH = 4096
TYPE_LENGTH = 100
#: More signatures than this on one delivery are not rotation.
SIGNATURES = 8


class BadWebhook(DomainError):
    """The delivery is not one that Clerk signed for us, or cannot be read."""

    code = "bad_webhook"


@cache
def _verifier(secret: str) -> Callable[[bytes, dict[str, str]], None]:
    # Importing svix takes two seconds: a site without Clerk never pays them.
    from svix.webhooks import Webhook

    verify: Callable[[bytes, dict[str, str]], None] = Webhook(secret).verify
    return verify


def verify(body: bytes, headers: Mapping[str, str], secrets: Iterable[str]) -> str:
    """The delivery's id, if signed with one of the secrets within 5 minutes, or BadWebhook."""
    from svix.webhooks import WebhookVerificationError

    given = {f"svix-{name}": _header(headers, name) for name in ("id", "timestamp", "signature")}
    # One by one: the library gives up at the first that is malformed.
    signatures = given["svix-signature"].split()[:SIGNATURES]
    for signature, secret in product(signatures, secrets):
        try:
            _verifier(secret)(body, {**given, "svix-signature": signature})
        except (WebhookVerificationError, ValueError, OverflowError, OSError):
            # The others: what hostile timestamps, signatures and bodies make the library's int(),
            # base64, utf-8 and calendar raise.
            continue
        return given["svix-id"]
    raise BadWebhook("The signature is not one of ours, or is too old.")


def _header(headers: Mapping[str, str], name: str) -> str:
    """The header by either of its names; Svix's own has precedence."""
    value = headers.get(f"svix-{name}") or headers.get(f"webhook-{name}") or ""
    length = ID_LENGTH if name == "id" else HEADER_LENGTH
    if not value or len(value) > length or not value.isascii() or not value.isprintable():
        raise BadWebhook(f"The header svix-{name} is missing or malformed.")
    return value


def parse(body: bytes) -> dict[str, Any]:
    """The event: an object with `type`, `instance_id` and `data`. Raises BadWebhook."""
    try:
        event = storable(json.loads(body, parse_constant=_finite, parse_float=_finite))
    except (ValueError, RecursionError):
        raise BadWebhook("The body is not JSON.") from None
    if not isinstance(event, dict) or not isinstance(event.get("data"), dict):
        raise BadWebhook("The body is no event.")
    kind = event.get("type")
    if not isinstance(kind, str) or not 0 < len(kind) <= TYPE_LENGTH:
        raise BadWebhook("The event has no type.")
    return event


def _finite(number: str) -> float:
    """Refuses numbers out of range, and the constants NaN, Infinity and -Infinity."""
    value = float(number)
    if not math.isfinite(value):
        raise ValueError("a number out of range")
    return value
