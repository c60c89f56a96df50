"""What turns and image requests have cost, in JSON and in headers."""

from collections.abc import Mapping
from typing import Any

from ai_chat.api.serializers import ReceiptOut
from ai_chat.jobs.models import Job
from ai_chat.models import Turn
from credits.ledger import get_balance

State = Turn.State


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
        "finishReason": finish_reason(turn),
        "cut": turn.cut or None,
        "reasoningSeconds": turn.reasoning_seconds,
        "creditsCharged": turn.charged,
        "creditsRemaining": remaining(turn),
        "receipt": ReceiptOut(turn).data,
    }


def finish_reason(turn: Turn) -> str:
    """As the AI SDK names it: `length` for an answer that a limit of ours cut."""
    if turn.cut:
        return "length"
    return {State.ANSWERED: "stop", State.FAILED: "error"}.get(State(turn.state), "other")


def chat_answer(turn: Turn) -> dict[str, Any]:
    """A turn as one JSON answer."""
    parts = [{"type": "text", "text": turn.answer}] if turn.answer else []
    return {
        "id": turn.pk,
        "conversationId": turn.conversation_id,
        "model": turn.model,
        "answeredBy": turn.answered_by or None,
        "message": {"id": str(turn.pk), "role": "assistant", "parts": parts},
        "text": turn.answer,
        "reasoning": turn.reasoning or None,
        **chat_receipt(turn),
    }
