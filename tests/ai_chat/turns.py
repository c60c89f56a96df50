"""Turns that were charged, turns that have ended as the jobs leave them, and models of the
catalogue."""

from typing import Any
from uuid import uuid4

from ai_chat.conversations.drafts import Draft
from ai_chat.conversations.path import end_of
from ai_chat.conversations.turns import start_turn
from ai_chat.models import Conversation, Turn
from credits.catalogue.models import fill_catalogue
from credits.ledger import settle_charge
from credits.models import AIModel, UsageHistory, User
from credits.reasons import Reason
from credits.uses import Asked
from tests.factories import make_charge

MODEL = "smollm2-135m"


def text_model(**changes: Any) -> AIModel:
    """The first text model, changed."""
    fill_catalogue()
    row = AIModel.objects.filter(name=MODEL)
    if changes:
        row.update(**changes)
    return row.select_related("provider", "fallback__provider").get()


def charge_turn(
    user: User,
    *,
    conversation: Conversation | None = None,
    model: AIModel | None = None,
    asked: Asked | None = None,
) -> Turn:
    """A turn that was charged, and whose answer nobody has asked for yet."""
    turn, _ = start_turn(
        Draft(user_id=user.pk, text="Hi", place=end_of(conversation)),
        model or text_model(), idempotency_key=uuid4().hex, asked=asked,
    )  # fmt: skip
    return turn


def make_turn(
    conversation: Conversation, prompt: str, answer: str = "", *, failure: str = "", **columns: Any
) -> Turn:
    """A turn that was answered, at the end of what is shown; with a `failure` one that failed with
    this text, and was refunded."""
    columns.setdefault("parent", conversation.current)
    charge = make_charge(conversation.user, hold=True)
    settle_charge(charge_id=charge.id, delivered=0 if failure else None, reason=failure)
    turn = Turn.objects.create(
        user=conversation.user,
        conversation=conversation,
        charge_id=charge.id,
        refund=UsageHistory.objects.filter(refund_of_id=charge.id).first(),
        model=columns.pop("model", MODEL),
        prompt=prompt,
        answer=answer,
        failure=failure,
        state=columns.pop("state", Turn.State.FAILED if failure else Turn.State.ANSWERED),
        **columns,
    )
    conversation.current = turn.pk
    conversation.save(update_fields=["current"])
    return turn


def fail(conversation: Conversation, prompt: str, reason: Reason, answer: str = "") -> Turn:
    return make_turn(conversation, prompt, answer, failure=reason)
