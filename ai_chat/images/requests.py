"""The metered image request. Every function owns its transaction."""

import re

from django.conf import settings
from django.db import transaction

from ai_chat import files
from ai_chat.images.painter import Painting
from ai_chat.jobs.start import choose_model, start_job, was_charged
from ai_chat.jobs.supervision import begin
from ai_chat.models import USUAL, Beginning, Conversation, Image, ImageRequest, Place
from ai_chat.titles import title_of
from config.errors import InvalidInput
from config.text import as_written, is_blank
from credits.features import IMAGE
from credits.models import AIModel

SIZE = re.compile(r"([1-9][0-9]{1,3})x([1-9][0-9]{1,3})", re.ASCII)
MIN_SIDE, MAX_SIDE = 64, 2048  # pixels that can be asked for
#: What the pages offer of a model that makes any size.
SIZES = {"1024x1024": "Square", "1536x1024": "Wide", "1024x1536": "Tall"}
DEFAULT_SIZE = "1024x1024"
MAX_IMAGES = 4


def sizes_to_choose(model: AIModel | None, chosen: str) -> dict[str, str]:
    """The sizes that the pages offer for a model, by what people read; a `chosen` one that they do
    not list is among them where the model makes any size."""
    any_size = [*SIZES, *({chosen} - SIZES.keys())]
    sizes = model.sizes if model and model.sizes else any_size
    return {size: SIZES.get(size, size.replace("x", " × ")) for size in sizes}


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
    place: Place | None = None,
    beginning: Beginning = USUAL,
    max_unit_cost: int | None = None,
) -> tuple[ImageRequest, bool]:
    """Charges `count` images together and begins to make them. Returns the request and whether it
    is new: a repeated key finds the first one (I7). An empty `size` is the model's first one, or
    DEFAULT_SIZE. `max_unit_cost` is what one image may cost, in credits. With a `place` they
    belong to a conversation, and one without begins one, as `beginning` says. Raises
    InvalidImageRequest, ModelNotOffered, PlanRequired, Busy, and what `start_job` raises."""
    key = f"image:{idempotency_key}"
    chosen = choose_model(model, feature=IMAGE, user_id=user_id, idempotency_key=key)
    asked_size, size = size, size or usual_size(chosen)
    prompt = checked(prompt, size, count)
    try:
        check_size(chosen, size)
    except InvalidImageRequest:
        if not was_charged(user_id=user_id, idempotency_key=key):
            raise
    conversation_id = place and place.conversation_id and str(place.conversation_id)
    if place and place.conversation:
        beginning = place.conversation.beginning
    version = [str(place.parent)] if place and place.is_version else []
    request, is_new = start_job(
        ImageRequest,
        user_id=user_id,
        feature=IMAGE,
        quantity=count,
        max_unit_cost=max_unit_cost,
        idempotency_key=key,
        request=[conversation_id, chosen.name, asked_size, count, prompt, *version],
        row={
            "conversation_id": conversation_id,
            "in_conversation": place is not None,
            "parent": place and place.parent and str(place.parent),
            "is_version": bool(version),
            "title": title_of(prompt),
            "model": chosen.name,
            "prompt": prompt,
            "size": size,
            "count": count,
            **beginning.columns,
        },
    )
    if is_new:
        begin(Painting(request, chosen))
    return request, is_new


def usual_size(model: AIModel) -> str:
    """The size of images for which none is asked."""
    return next(iter(model.sizes), DEFAULT_SIZE)


def check_size(model: AIModel, size: str) -> None:
    """Raises InvalidImageRequest for a size that the model does not make."""
    if size not in (model.sizes or [size]):
        raise InvalidImageRequest(
            "size", f"{model.label} makes images of {', '.join(model.sizes)}."
        )


def checked(prompt: str, size: str, count: int) -> str:
    """The prompt as it is sent. Raises InvalidImageRequest for what no model is asked for."""
    prompt = as_written(prompt)
    limit = settings.IMAGE_PROMPT_MAX_CHARACTERS
    if is_blank(prompt):
        raise InvalidImageRequest("prompt", "Describe the image first.")
    if len(prompt) > limit:
        raise InvalidImageRequest(
            "prompt", f"A description has at most {limit:,} characters; this one {len(prompt):,}."
        )
    sides = SIZE.fullmatch(size)
    if not sides or not all(MIN_SIDE <= int(side) <= MAX_SIDE for side in sides.groups()):
        raise InvalidImageRequest(
            "size", f"Must be WIDTHxHEIGHT, each from {MIN_SIDE} to {MAX_SIDE} pixels."
        )
    if not 1 <= count <= MAX_IMAGES:
        raise InvalidImageRequest("count", f"Ask for 1 to {MAX_IMAGES} images.")
    return prompt


def delete_image(*, image: Image) -> None:
    """Deletes an image and its file; the ledger keeps what it cost."""
    image.delete()
    transaction.on_commit(lambda: files.discard([image.file]))


@transaction.atomic
def delete_request(*, request: ImageRequest) -> None:
    """Deletes an ended request with its images; the ledger keeps what it cost."""
    # First, as whoever deletes the conversation does; deleting the request locks it as well.
    if request.conversation_id:
        Conversation.objects.select_for_update().filter(pk=request.conversation_id).first()
    names = [image.file for image in request.images.all()]
    request.delete()
    transaction.on_commit(lambda: files.discard(names))
