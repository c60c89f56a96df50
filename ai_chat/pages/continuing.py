"""Going on with an answer that was cut or stopped: a message of its own, with a price of its
own."""

from typing import NamedTuple
from uuid import UUID, uuid4

from django.http import QueryDict

from ai_chat.conversations.drafts import Draft
from ai_chat.markdown import has_visible_text
from ai_chat.models import Conversation, ImageRequest, Place, Turn
from ai_chat.offer import Offer, get_offer
from config.errors import HttpError

#: The message. The model is sent the answer before it, as any answer.
PROMPT = "Continue."


class Continuation(NamedTuple):
    """What the button below such an answer sends."""

    turn: Turn
    offer: Offer
    key: UUID
    prompt: str = PROMPT


def continuation_of(job: Turn | ImageRequest | None) -> Continuation | None:
    """For the latest entry of a conversation; None unless it is an answer that was cut or stopped
    halfway, and a model can be asked to go on."""
    if not isinstance(job, Turn) or not _is_open(job):
        return None
    draft = Draft(user_id=job.user_id, text=PROMPT, place=Place(job.conversation, job.pk))
    offer = get_offer(user_id=job.user_id, model=job.model, draft=draft)
    return Continuation(job, offer, uuid4()) if offer.model and not offer.plan else None


def _is_open(turn: Turn) -> bool:
    is_stopped = turn.state == Turn.State.STOPPED and not turn.failure
    return bool(turn.cut) or (is_stopped and has_visible_text(turn.answer))


def check_goes_on(conversation: Conversation | None, form: QueryDict) -> None:
    """Refuses a form that goes on with an answer which is no longer the end of its conversation:
    another window has shown another version, or sent a message. Raises HttpError."""
    after = form.get("after", "")
    if after and (conversation is None or after != str(conversation.current)):
        raise HttpError(
            409,
            "moved_on",
            "The conversation has gone on in another window. Nothing was charged; reload the page.",
        )
