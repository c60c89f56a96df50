"""Errors of the calls that spend, and their sentences."""

from typing import Any

from config.errors import DomainError, HttpError


class StillRunning(DomainError):
    """The request with this idempotency key has not been answered yet."""

    status = 409
    code = "in_progress"
    retry_seconds = 2

    def __init__(self) -> None:
        super().__init__("The first request with this idempotency key is still being answered.")


def provider_failed(sentence: str, *, reason: str, refunded: int, **extra: Any) -> HttpError:
    """Nothing was delivered; `refunded` credits came back."""
    return HttpError(502, "provider_failed", sentence, reason=reason, refunded=refunded, **extra)


def refund_sentence(failure: str, refunded: int) -> str:
    """`failure` as a receipt says it, and what came back."""
    what = f"{failure[:1].upper()}{failure[1:]}"
    if not refunded:
        return f"{what}. Nothing was charged."
    verb = "credit was" if refunded == 1 else "credits were"
    return f"{what}. {refunded} {verb} refunded."
