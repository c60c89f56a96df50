"""Reading the paid forms, and saying why one was not taken."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.http import HttpResponse, QueryDict
from django.urls import reverse
from django.utils.html import format_html

from ai_chat.images.requests import DEFAULT_SIZE, MAX_IMAGES, sizes_to_choose, start_request
from ai_chat.jobs.errors import AnswerDeleted
from ai_chat.models import Conversation, ImageRequest
from ai_chat.offer import get_offer
from ai_chat.pages.choosing import chosen_model, note_use
from config.errors import DomainError, HttpError
from config.text import text_of_size
from credits.catalogue.packs import packs_on_sale
from credits.clerk.billing.releases import next_grant
from credits.exceptions import (
    IdempotencyConflict,
    InsufficientCredits,
    LimitReached,
    OtherPricing,
    PriceChanged,
)
from credits.features import IMAGE
from credits.http import AuthenticatedHttpRequest
from credits.kernel import MAX_AMOUNT
from credits.ledger import Balance
from credits.models import User

#: What follows on an error's own sentence.
NEXT: dict[type[DomainError], str] = {
    AnswerDeleted: "Send again for a new one.",
    OtherPricing: "The button has the new price; send again if you agree.",
}


def start_images(request: AuthenticatedHttpRequest, **place: Any) -> ImageRequest:
    """Charges the images of the composer or the gallery as `start_request` does; `place` has its
    arguments about the conversation."""
    form = request.POST
    count, total = requested_count(form), shown_price(form.get("image_price", ""))
    job, _ = start_request(
        user_id=request.user.pk,
        prompt=form.get("message", ""),
        model=form.get("image_model", ""),
        size=form.get("size", ""),
        count=count,
        idempotency_key=read_key(form),
        max_unit_cost=None if total is None else total // max(count, 1),
        **place,
    )
    note_use(job, place.get("conversation"))
    return job


def image_choices(
    user: User,
    form: QueryDict,
    again: ImageRequest | None = None,
    *,
    conversation: Conversation | None = None,
    balance: Balance | None = None,
) -> dict[str, Any]:
    """What the choices for images show: those of the form, or of a request that is made `again`;
    else the model that was chosen last."""
    model = form.get("image_model") or (again.model if again else "")
    model = model or chosen_model(user_id=user.pk, feature=IMAGE, conversation=conversation)
    count = read_count(form) if "count" in form or not again else again.count
    offer = get_offer(user_id=user.pk, feature=IMAGE, model=model, quantity=count, balance=balance)
    size = form.get("size") or (again.size if again else DEFAULT_SIZE)
    return {
        "image_offer": offer,
        "sizes": sizes_to_choose(offer.model, size),
        "size": size,
        "counts": range(1, MAX_IMAGES + 1),
        "longest": {
            "text": settings.MESSAGE_MAX_CHARACTERS,
            "image": settings.IMAGE_PROMPT_MAX_CHARACTERS,
        },
        "key": uuid4(),
        # Asked for only by a button that is off.
        "next_grant": partial(next_grant, user),
        "packs_on_sale": packs_on_sale,
        "shop_text": settings.CREDIT_SHOP_TEXT,
    }


def refuse_another(request: AuthenticatedHttpRequest) -> None:
    """Refuses a form of somebody else's page: another one has signed in at this browser since it
    was opened. Raises HttpError; a form that does not say whose it is is taken."""
    if request.POST.get("as", "") not in {"", str(request.user.pk)}:
        raise HttpError(
            409,
            "signed_in_as_another",
            f"You are signed in as {request.user} now, and this was written by somebody else. "
            "Nothing was charged; send it again if it is yours.",
        )


def requested_count(form: QueryDict) -> int:
    """How many images; none, which is refused, where it says what nobody can ask for."""
    count = form.get("count", "1")
    return int(count) if count in {str(n) for n in range(1, MAX_IMAGES + 1)} else 0


def read_count(form: QueryDict) -> int:
    """How many images to show as chosen."""
    return requested_count(form) or 1


def read_key(form: QueryDict) -> str:
    """The form's idempotency key: a repeated POST is the same one."""
    return form.get("key", "").replace("\x00", "")[:200] or str(uuid4())


def shown_draft(form: QueryDict) -> str:
    """A text of the size of the message that is being written."""
    return shown_text(form, "draft", most=settings.MESSAGE_MAX_CHARACTERS)


def shown_text(form: QueryDict, name: str, *, most: int) -> str:
    """A text of the size that the page tells of what is being written: `characters.bytes`."""
    size = re.fullmatch(r"([0-9]{1,6})\.([0-9]{1,7})", form.get(name, ""))
    return text_of_size(min(int(size[1]), most), int(size[2])) if size else ""


def shown_version(form: QueryDict) -> int | None:
    """The price by tokens on the button that was pressed, for `Agreed`; 0 where the button had a
    price per message. One that cannot be read agrees to nothing."""
    version = form.get("price_version", "")
    if not version:
        return 0 if form.get("price") else None
    return int(version) if re.fullmatch("[0-9]{1,18}", version) else -1


def shown_price(price: str) -> int | None:
    """The price on the button that was pressed: more is never charged. A form without one, as a
    program may post, takes today's; one that cannot be read agrees to nothing."""
    if not price:
        return None
    if not (price.isascii() and price.isdecimal() and len(price) < 20):
        return 0
    return min(int(price), MAX_AMOUNT)


def refuse(
    page: Callable[..., HttpResponse], error: DomainError, *, images: int = 0
) -> HttpResponse:
    """The page again, with the reason; nothing was charged. `images` is how many were asked for, 0
    for a message."""
    status, problem = _explain(error, images)
    response = page(problem=problem, status=status)
    if error.retry_seconds:
        response["Retry-After"] = str(error.retry_seconds)
    return response


def _explain(error: DomainError, images: int) -> tuple[int, str]:
    match error:
        case InsufficientCredits() | LimitReached():
            return 402, _too_much(error, images)
        case PriceChanged():
            plural = "s" if error.unit_cost != 1 else ""
            now = f"{_what(images)} {error.unit_cost * images} credits."
            if not images:
                now = (
                    f"The price is now {error.unit_cost} credit{plural} a message, "
                    f"not {error.agreed}."
                )
            return 409, f"{now} Nothing was charged; send again if you agree."
        case IdempotencyConflict():
            return 409, "This form sent another message already. Send again for a new one."
        case AnswerDeleted() | OtherPricing():
            return 409, f"{error} {NEXT[type(error)]}"
    return error.status, str(error)


def _too_much(error: InsufficientCredits | LimitReached, images: int) -> str:
    needed = f"{_what(images)} {error.members['required']}"
    if isinstance(error, LimitReached):
        sentence = f"{needed}; {error.limit.sentence} Nothing was charged."
        return format_html('{} <a href="{}">Your limits</a>', sentence, reverse("limits"))
    left = f"{error.available} credit{'s' if error.available != 1 else ''} left"
    return f"{needed} and you have {left}. Nothing was charged."


def _what(images: int) -> str:
    if images > 1:
        return f"{images} images cost"
    return "1 image costs" if images else "This message costs"
