"""Errors of the calls that spend, and their sentences."""

from collections.abc import Mapping
from typing import Any

from ai_chat.jobs.models import Job
from config.errors import DomainError, HttpError


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
    """Nothing was delivered; `paid` is the job's receipt."""
    return HttpError(
        502,
        "provider_failed",
        refund_sentence(job),
        reason=job.failure,
        refunded=job.refunded,
        **extra,
        creditsRemaining=paid["creditsRemaining"],
        receipt=paid["receipt"],
        headers=headers,
    )


def refund_sentence(job: Job) -> str:
    """Why a job failed, as its receipt says it, and what came back."""
    failure, refunded = str(job.get_failure_display()), job.refunded
    what = f"{failure[:1].upper()}{failure[1:]}"
    if not refunded:
        return f"{what}." if job.charged else f"{what}. Nothing was charged."
    verb = "credit was" if refunded == 1 else "credits were"
    return f"{what}. {refunded} {verb} refunded."
