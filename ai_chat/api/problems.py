"""Errors of the calls that spend, and their sentences."""

from collections.abc import Mapping
from typing import Any

from ai_chat.jobs.advice import next_step
from ai_chat.jobs.models import Job
from config.errors import DomainError, HttpError
from credits.reasons import Reason


class StillRunning(DomainError):
    """The request with this idempotency key has not been answered yet."""

    status = 409
    code = "in_progress"
    retry_seconds = 2

    def __init__(self) -> None:
        super().__init__("The first request with this idempotency key is still being answered.")


def provider_failed(
    job: Job, paid: Mapping[str, Any], headers: Mapping[str, str], **extra: Any
) -> HttpError:
    """Nothing was delivered; `paid` is the job's receipt. 502, or 503 with Retry-After when the
    provider has too much to do."""
    busy = job.failure == Reason.BUSY
    error = HttpError(
        503 if busy else 502,
        "provider_failed",
        refund_sentence(job),
        reason=job.failure,
        refunded=job.refunded,
        **extra,
        creditsRemaining=paid["creditsRemaining"],
        receipt=paid["receipt"],
        headers=headers,
    )
    if busy:
        error.retry_seconds = job.retry_seconds or error.retry_seconds
    return error


def refund_sentence(job: Job) -> str:
    """Why a job failed, as its receipt says it, what came back, and what to do."""
    failure, refunded = str(job.get_failure_display()), job.refunded if job.came_back else 0
    what = f"{failure[:1].upper()}{failure[1:]}"
    verb = "credit was" if refunded == 1 else "credits were"
    money = f"{refunded} {verb} refunded."
    if not refunded:
        money = "" if job.charged else "Nothing was charged."
    return " ".join(filter(None, [f"{what}.", money, next_step(job)]))
