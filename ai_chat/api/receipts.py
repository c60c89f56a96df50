"""What turns and image requests are in JSON, with what they cost."""

from collections.abc import Mapping
from typing import Any

from django.urls import reverse

from ai_chat.jobs.models import Job
from ai_chat.models import Image, ImageRequest, Turn
from credits.ledger import get_balance


def receipt_of(job: Job) -> dict[str, Any]:
    return {
        "usageId": job.charge_id,
        "refundId": job.refund_id,
        "refunded": job.refunded,
        "reason": job.failure or None,
    }


def remaining(job: Job) -> int:
    """The user's credits now, or as they were when the job ended a moment ago."""
    if job.remaining is None:
        return get_balance(user_id=job.user_id).remaining
    return job.remaining


def paid_headers(answer: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of an answer that was paid for."""
    return {
        **headers,
        "Cache-Control": "no-store",
        "X-Credits-Charged": str(answer["creditsCharged"]),
        "X-Credits-Remaining": str(answer["creditsRemaining"]),
    }


def chat_receipt(turn: Turn) -> dict[str, Any]:
    """What a turn cost, and what is left now."""
    return {
        "outcome": turn.state,
        "creditsCharged": turn.charged,
        "creditsRemaining": remaining(turn),
        "receipt": receipt_of(turn),
    }


def chat_answer(turn: Turn) -> dict[str, Any]:
    """A turn as one JSON answer."""
    parts = [{"type": "text", "text": turn.answer}] if turn.answer else []
    return {
        "id": turn.pk,
        "conversationId": turn.conversation_id,
        "model": turn.model,
        "message": {"id": str(turn.pk), "role": "assistant", "parts": parts},
        "text": turn.answer,
        **chat_receipt(turn),
    }


def image_answer(image: Image) -> dict[str, Any]:
    return {
        "id": image.pk,
        "url": reverse("api-image-file", args=[image.pk]),
        "contentType": image.content_type,
        "width": image.width,
        "height": image.height,
        "bytes": image.bytes,
    }


def images_answer(made: ImageRequest) -> dict[str, Any]:
    """An image request with its images."""
    return {
        "id": made.pk,
        "createdAt": made.created_at,
        "prompt": made.prompt,
        "model": made.model,
        "size": made.size,
        "count": made.count,
        "state": made.state,
        "images": [image_answer(image) for image in made.images.all()],
        "creditsCharged": made.charged,
        "receipt": receipt_of(made),
    }
