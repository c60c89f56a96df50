"""What this app's refusals mean to a client of the JSON API. Importing it tells the table of
`credits.api.problems`."""

from typing import Any

from ai_chat.images.services import InvalidImageRequest
from ai_chat.limits import LimitReached
from ai_chat.turns import AnswerDeleted, InvalidMessage
from credits.api.problems import PROBLEMS, Problem, invalid, issue, too_many

RETRY_SECONDS = "2"

PROBLEMS.update(
    {
        InvalidMessage: lambda e: invalid([issue(("messages",), str(e))]),
        InvalidImageRequest: lambda e: invalid([issue((e.field,), str(e))]),
        LimitReached: lambda e: too_many(e.retry_seconds, str(e)),
        AnswerDeleted: lambda e: Problem(409, "answer_deleted", str(e)),
    }
)


def still_running() -> Problem:
    """The request with this idempotency key has not been answered yet."""
    message = "The first request with this idempotency key is still being answered."
    return Problem(409, "in_progress", message, headers={"Retry-After": RETRY_SECONDS})


def provider_failed(sentence: str, *, reason: str, refunded: int, **extra: Any) -> Problem:
    """Nothing was delivered; `refunded` credits came back."""
    return Problem(502, "provider_failed", sentence, reason=reason, refunded=refunded, **extra)


def refund_sentence(failure: str, refunded: int) -> str:
    """`failure` as a receipt says it, and what came back."""
    what = f"{failure[:1].upper()}{failure[1:]}"
    if not refunded:
        return f"{what}. Nothing was charged."
    verb = "credit was" if refunded == 1 else "credits were"
    return f"{what}. {refunded} {verb} refunded."
