"""Going on with an answer that was cut: a message of its own, with a price of its own."""

from typing import NamedTuple
from uuid import UUID, uuid4

from ai_chat.conversations.drafts import Draft
from ai_chat.models import ImageRequest, Place, Turn
from ai_chat.offer import Offer, get_offer

#: The message. The model is sent the cut answer before it, as any answer.
PROMPT = "Continue."


class Continuation(NamedTuple):
    """What the button below a cut answer sends."""

    turn: Turn
    offer: Offer
    key: UUID
    prompt: str = PROMPT


def continuation_of(job: Turn | ImageRequest | None) -> Continuation | None:
    """For the latest entry of a conversation; None unless it is an answer that was cut and a model
    can be asked to go on."""
    if not isinstance(job, Turn) or not job.cut:
        return None
    draft = Draft(user_id=job.user_id, text=PROMPT, place=Place(job.conversation, job.pk))
    offer = get_offer(user_id=job.user_id, model=job.model, draft=draft)
    return Continuation(job, offer, uuid4()) if offer.model and not offer.plan else None
