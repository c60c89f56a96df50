"""The metered turn: charge, answer, settle. Every function owns its transaction."""

import hashlib
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from ai_chat.limits import check_in_flight
from ai_chat.models import Conversation, Turn
from ai_chat.offer import TEXT
from ai_chat.provider import Message
from config.errors import DomainError, InvalidInput
from credits.ledger import (
    Charge,
    deduct_credits_for_feature,
    is_held,
    release_charge,
    settle_charge,
)
from credits.models import UsageHistory

FEATURE = TEXT
TITLE_CHARACTERS = 60


class InvalidMessage(InvalidInput):
    """The message cannot be sent; the text says why, for people."""

    path = ("messages",)


class AnswerDeleted(DomainError):
    """The message was sent before, and its answer has been deleted since."""

    status = 409
    code = "answer_deleted"


def start_turn(
    *,
    user_id: int,
    conversation: Conversation | None,
    text: str,
    model: str,
    idempotency_key: str,
    max_unit_cost: int | None = None,
    fingerprint: str | None = None,
    external_id: str | None = None,
) -> tuple[Turn, bool]:
    """Charges a message and records its turn, in one transaction; without a conversation it begins
    one, or goes on with that of `external_id`. Returns the turn and whether it is new: a repeated
    key finds the first one (I7). `fingerprint` stands for more than the message, if given.

    Raises InvalidMessage, InsufficientCredits, PriceChanged, IdempotencyConflict, LimitReached,
    AnswerDeleted.
    """
    text = _checked(text, model)
    with transaction.atomic():
        charge = deduct_credits_for_feature(
            user_id=user_id,
            feature=FEATURE,
            multiplier=settings.AI_TEXT_MODELS[model].multiplier,
            max_unit_cost=max_unit_cost,
            idempotency_key=f"turn:{idempotency_key}",
            fingerprint=fingerprint or _fingerprint(conversation, text, model),
            hold=True,
            details={"model": model},
        )
        if charge.replayed:
            return _earlier_turn(charge.id), False
        check_in_flight(user_id=user_id)
        conversation = touch_conversation(
            user_id=user_id, conversation=conversation, text=text, external_id=external_id
        )
        turn = Turn.objects.create(
            conversation=conversation, charge=_row_of(charge, user_id), model=model, prompt=text
        )
    return turn, True


def _row_of(charge: Charge, user_id: int) -> UsageHistory:
    """The charge's row in the journal, as far as a receipt shows it, without reading it back."""
    return UsageHistory(
        pk=charge.id,
        account_id=user_id,
        credits_used=charge.credits,
        unit_cost=charge.unit_cost,
        balance_after=charge.balance,
    )


def load_turn(turn_id: UUID) -> Turn | None:
    """A turn with what its article shows, as the ledger knows it."""
    turn = _whole_turns().filter(pk=turn_id).first()
    return reconcile(turn) if turn else None


def _whole_turns() -> QuerySet[Turn]:
    return Turn.objects.select_related("charge", "refund", "conversation")


def _earlier_turn(charge_id: int) -> Turn:
    try:
        return _whole_turns().get(charge_id=charge_id)
    except Turn.DoesNotExist:
        raise AnswerDeleted("This message was sent before; its answer is deleted.") from None


def touch_conversation(
    *, user_id: int, conversation: Conversation | None, text: str, external_id: str | None = None
) -> Conversation:
    """The conversation that a paid request belongs to, now the latest; a new one is called after
    the request, as does one that takes the place of a conversation deleted meanwhile. Within a
    charge's transaction: its lock keeps an `external_id` from beginning twice.
    """
    if conversation is None and external_id is not None:
        own = Conversation.objects.filter(user_id=user_id)
        conversation = own.filter(external_id=external_id).first()
    if conversation is not None:
        known = Conversation.objects.filter(pk=conversation.pk)
        if known.update(active_at=timezone.now()):
            return conversation
    return Conversation.objects.create(user_id=user_id, title=_title(text), external_id=external_id)


def _checked(text: str, model: str) -> str:
    text = text.replace("\x00", "").replace("\r\n", "\n").strip()
    if not text:
        raise InvalidMessage("Write a message first.")
    if len(text) > settings.MESSAGE_MAX_CHARACTERS:
        raise InvalidMessage(
            f"A message has at most {settings.MESSAGE_MAX_CHARACTERS:,} characters; "
            f"this one has {len(text):,}."
        )
    if model not in settings.AI_TEXT_MODELS:
        raise InvalidMessage("Choose one of the models offered.")
    return text


def _fingerprint(conversation: Conversation | None, text: str, model: str) -> str:
    parts = [str(conversation.pk) if conversation else "", model, text]
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()


def _title(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TITLE_CHARACTERS else line[: TITLE_CHARACTERS - 1] + "…"


def history(turn: Turn, *, is_first: bool = False) -> list[Message]:
    """What the model is told: this message and as many of the latest answered turns as fit in
    HISTORY_MAX_CHARACTERS, whole turns only, oldest first. Before a conversation's first message
    there is nothing to look up."""
    if is_first:
        return [{"role": "user", "content": turn.prompt}]
    room = settings.HISTORY_MAX_CHARACTERS - len(turn.prompt)
    earlier: list[Message] = []
    past = turn.conversation.turns.exclude(answer="").exclude(pk=turn.pk)
    for prompt, answer in past.order_by("-created_at").values_list("prompt", "answer")[:50]:
        room -= len(prompt) + len(answer)
        if room < 0:
            break
        earlier += [
            {"role": "assistant", "content": answer},
            {"role": "user", "content": prompt},
        ]
    return [*reversed(earlier), {"role": "user", "content": turn.prompt}]


def finish_turn(
    *, turn_id: UUID, answer: str, state: Turn.State, failure: Turn.Failure | None = None
) -> None:
    """Ends a running turn and its hold together: a `failure` refunds, else the charge stands.

    Safe to repeat when the database failed to answer: the turn's state tells whether it is done. A
    turn whose hold was swept meanwhile has lost: it keeps its text and is marked as refunded (I6).
    """
    with transaction.atomic():
        turn = Turn.objects.select_for_update().filter(pk=turn_id).first()
        if turn is None or not turn.is_running:
            return
        if failure:
            ending = release_charge(charge_id=turn.charge_id, reason=failure)
        else:
            ending = settle_charge(charge_id=turn.charge_id)
        if ending.outcome == "ended":
            _mark_lost(turn, answer)
            return
        turn.answer, turn.state, turn.failure = answer, state, failure or ""
        turn.refund_id = ending.refund_id
        turn.ended_at = timezone.now()
        turn.save(update_fields=["answer", "state", "failure", "refund", "ended_at"])


def _mark_lost(turn: Turn, answer: str) -> None:
    refund = UsageHistory.objects.filter(refund_of_id=turn.charge_id).first()
    turn.answer = answer or turn.answer
    turn.state, turn.failure = Turn.State.FAILED, Turn.Failure.LOST
    turn.refund, turn.ended_at = refund, refund.created_at if refund else timezone.now()
    turn.save(update_fields=["answer", "state", "failure", "refund", "ended_at"])


def save_progress(*, turn_id: UUID, answer: str) -> bool:
    """Keeps the text so far, for readers in other processes. Returns whether the turn should stop:
    the user asked for it, or somebody else has ended it."""
    running = Turn.objects.filter(pk=turn_id, state=Turn.State.RUNNING)
    running.update(answer=answer)
    stop = running.values_list("stop_requested", flat=True).first()
    return stop is None or stop


def request_stop(turn: Turn) -> None:
    """Leaves word for whichever process runs the turn."""
    Turn.objects.filter(pk=turn.pk, state=Turn.State.RUNNING).update(stop_requested=True)


def reconcile(turn: Turn) -> Turn:
    """The turn as the ledger knows it: one whose process died is closed once its hold has ended."""
    if turn.is_running and not is_held(charge_id=turn.charge_id):
        finish_turn(turn_id=turn.pk, answer="", state=Turn.State.FAILED)
        turn.refresh_from_db()
    return turn
