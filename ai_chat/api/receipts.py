"""What turns and image requests are in JSON, with what they cost."""

from typing import Any

from django.urls import reverse

from ai_chat.models import Image, ImageRequest, Turn
from credits.ledger import get_balance
from credits.models import UsageHistory


def receipt_of(charge: UsageHistory, refund: UsageHistory | None, reason: str) -> dict[str, Any]:
    return {
        "usageId": charge.pk,
        "refundId": refund.pk if refund else None,
        "refunded": -refund.credits_used if refund else 0,
        "reason": reason or None,
    }


def chat_receipt(turn: Turn) -> dict[str, Any]:
    """What a turn cost, and what is left now."""
    receipt = receipt_of(turn.charge, turn.refund, turn.failure)
    return {
        "outcome": turn.state,
        "creditsCharged": turn.charge.credits_used - receipt["refunded"],
        "creditsRemaining": get_balance(user_id=turn.charge.account_id).remaining,
        "receipt": receipt,
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
        "receipt": receipt_of(made.charge, made.refund, made.failure),
    }
