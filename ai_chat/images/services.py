"""The metered image request: charge, paint, keep, settle for what was delivered. Every function
owns its transaction."""

import hashlib
import logging
import re
from collections.abc import Sequence
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Prefetch, QuerySet
from django.utils import timezone

from ai_chat.images import files
from ai_chat.images.files import Kept
from ai_chat.limits import check_in_flight
from ai_chat.models import Conversation, Image, ImageRequest
from ai_chat.offer import IMAGE, MAX_IMAGES
from ai_chat.turns import AnswerDeleted, touch_conversation
from config.errors import InvalidInput
from credits.ledger import deduct_credits_for_feature, is_held, settle_charge
from credits.models import UsageHistory

logger = logging.getLogger(__name__)

SIZE = re.compile(r"([1-9][0-9]{1,3})x([1-9][0-9]{1,3})", re.ASCII)
MIN_SIDE, MAX_SIDE = 64, 2048  # pixels that can be asked for
#: What the pages offer.
SIZES = {"1024x1024": "Square", "1536x1024": "Wide", "1024x1536": "Tall"}
DEFAULT_SIZE = "1024x1024"
#: How often an ending is tried again when the database does not answer; then the lease decides.
FINISH_TRIES = 5


class InvalidImageRequest(InvalidInput):
    """The images cannot be asked for like this; the text says why, for people."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message, (field,))


def start_request(
    *,
    user_id: int,
    prompt: str,
    model: str,
    size: str,
    count: int,
    idempotency_key: str,
    conversation: Conversation | None = None,
    in_conversation: bool = False,
    max_total: int | None = None,
) -> tuple[ImageRequest, bool]:
    """Charges `count` images together and records the request, in one transaction. Returns it and
    whether it is new: a repeated key finds the first one (I7). `max_total` is what the button said,
    in credits. With `in_conversation` and no conversation one is begun.

    Raises InvalidImageRequest, InsufficientCredits, PriceChanged, IdempotencyConflict,
    LimitReached, AnswerDeleted.
    """
    prompt = _checked(prompt, model, size, count)
    with transaction.atomic():
        charge = deduct_credits_for_feature(
            user_id=user_id,
            feature=IMAGE,
            quantity=count,
            multiplier=settings.AI_IMAGE_MODELS[model].multiplier,
            max_unit_cost=None if max_total is None else max_total // count,
            idempotency_key=f"image:{idempotency_key}",
            fingerprint=_fingerprint(conversation, prompt, model, size, count),
            hold=True,
            details={"model": model},
        )
        if charge.replayed:
            return _earlier(charge.id), False
        check_in_flight(user_id=user_id)
        if in_conversation:
            conversation = touch_conversation(
                user_id=user_id, conversation=conversation, text=prompt
            )
        wanted = {"model": model, "prompt": prompt, "size": size, "count": count}
        request = ImageRequest.objects.create(
            user_id=user_id, conversation=conversation, charge_id=charge.id, **wanted
        )
    return request, True


def _checked(prompt: str, model: str, size: str, count: int) -> str:
    prompt = prompt.replace("\x00", "").replace("\r\n", "\n").strip()
    limit = settings.IMAGE_PROMPT_MAX_CHARACTERS
    if not prompt:
        raise InvalidImageRequest("prompt", "Describe the image first.")
    if len(prompt) > limit:
        raise InvalidImageRequest(
            "prompt", f"A description has at most {limit:,} characters; this one {len(prompt):,}."
        )
    if model not in settings.AI_IMAGE_MODELS:
        raise InvalidImageRequest("model", "Choose one of the models offered.")
    sides = SIZE.fullmatch(size)
    if not sides or not all(MIN_SIDE <= int(side) <= MAX_SIDE for side in sides.groups()):
        raise InvalidImageRequest(
            "size", f"Must be WIDTHxHEIGHT, each from {MIN_SIDE} to {MAX_SIDE} pixels."
        )
    if not 1 <= count <= MAX_IMAGES:
        raise InvalidImageRequest("count", f"Ask for 1 to {MAX_IMAGES} images.")
    return prompt


def _fingerprint(
    conversation: Conversation | None, prompt: str, model: str, size: str, count: int
) -> str:
    parts = [str(conversation.pk) if conversation else "", model, size, str(count), prompt]
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()


def _earlier(charge_id: int) -> ImageRequest:
    found = requests_with_images().filter(charge_id=charge_id).first()
    if found is None:
        raise AnswerDeleted("These images were made before, and are deleted.")
    return reconcile(found)


def finish_request(
    *, request_id: UUID, kept: Sequence[Kept], failure: ImageRequest.Failure | None
) -> bool:
    """Ends a running request and its hold together: the charge stands for the images kept, the rest
    is refunded because of `failure`. Safe to repeat when the database failed to answer.

    Returns whether the images are in: a worker whose hold was swept meanwhile has lost (I6), and
    its files belong to nobody.
    """
    with transaction.atomic():
        request = ImageRequest.objects.select_for_update().filter(pk=request_id).first()
        if request is None:
            return False
        if not request.is_running:
            return request.images.filter(file__in=[each.name for each in kept]).exists()
        ending = settle_charge(
            charge_id=request.charge_id, delivered=len(kept), reason=failure or ""
        )
        if ending.outcome == "ended":
            _mark_lost(request)
            return False
        Image.objects.bulk_create(_images(request, kept))
        request.state = _state(len(kept), request.count)
        request.failure, request.refund_id = failure or "", ending.refund_id
        request.ended_at = timezone.now()
        request.save(update_fields=["state", "failure", "refund", "ended_at"])
    return True


def _state(delivered: int, count: int) -> ImageRequest.State:
    if delivered == count:
        return ImageRequest.State.DELIVERED
    return ImageRequest.State.PARTIAL if delivered else ImageRequest.State.FAILED


def _images(request: ImageRequest, kept: Sequence[Kept]) -> list[Image]:
    return [
        Image(
            request=request,
            file=each.name,
            content_type=each.image.content_type,
            width=each.image.width,
            height=each.image.height,
            bytes=len(each.image.content),
            position=position,
        )
        for position, each in enumerate(kept)
    ]


def _mark_lost(request: ImageRequest) -> None:
    refund = UsageHistory.objects.filter(refund_of_id=request.charge_id).first()
    request.state, request.failure = ImageRequest.State.FAILED, ImageRequest.Failure.LOST
    request.refund, request.ended_at = refund, refund.created_at if refund else timezone.now()
    request.save(update_fields=["state", "failure", "refund", "ended_at"])


def reconcile(request: ImageRequest) -> ImageRequest:
    """The request as the ledger knows it: one whose process died is closed once its hold has ended,
    and what it had put into the storage goes."""
    if request.is_running and not is_held(charge_id=request.charge_id):
        finish_request(request_id=request.pk, kept=[], failure=ImageRequest.Failure.LOST)
        request = requests_with_images().get(pk=request.pk)
        if request.state == ImageRequest.State.FAILED:
            files.discard_all(request)
    return request


def requests_with_images() -> QuerySet[ImageRequest]:
    """Requests with what their pictures and receipts show."""
    images = Prefetch("images", Image.objects.order_by("position"))
    return ImageRequest.objects.select_related("charge", "refund").prefetch_related(images)


def delete_image(*, image: Image) -> None:
    """Deletes an image and its file; the ledger keeps what it cost."""
    image.delete()
    transaction.on_commit(lambda: files.discard([image.file]))


def delete_request(*, request: ImageRequest) -> None:
    """Deletes an ended request with its images; the ledger keeps what it cost."""
    names = [image.file for image in request.images.all()]
    request.delete()
    transaction.on_commit(lambda: files.discard(names))
