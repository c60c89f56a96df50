"""Reading what was made; money is not touched here."""

from collections.abc import Sequence
from uuid import UUID

from django.db.models import Exists, OuterRef, Q
from django.shortcuts import get_object_or_404

from ai_chat.jobs.ending import load_job, reconcile
from ai_chat.models import Image, ImageRequest
from config.pagination import LATEST_FIRST, paginate
from config.text import as_uuid

REQUESTS_SHOWN = 24


def own_request(*, user_id: int, request_id: UUID | str) -> ImageRequest | None:
    """One of the user's requests as the ledger knows it, by an id that may be none."""
    key = request_id if isinstance(request_id, UUID) else as_uuid(request_id)
    return load_job(ImageRequest, pk=key, user_id=user_id) if key else None


def last_request(*, user_id: int) -> ImageRequest | None:
    """The user's latest request, of no temporary chat; None without any."""
    own = ImageRequest.objects.filter(user_id=user_id, conversation__expires_at=None)
    return own.order_by("-created_at").first()


def own_image_or_404(*, user_id: int, image_id: UUID) -> Image:
    """One of the user's images. Raises Http404."""
    images = Image.objects.select_related("request")
    return get_object_or_404(images, pk=image_id, request__user_id=user_id)


def requests_page(
    *conditions: Q, user_id: int, last: ImageRequest | None, limit: int
) -> tuple[Sequence[ImageRequest], bool]:
    """The user's requests, without those of temporary chats, the latest first, and whether there
    are older ones; `last` is the last one seen."""
    rows = ImageRequest.with_receipt().filter(
        *conditions, user_id=user_id, conversation__expires_at=None
    )
    place = (last.created_at, last.pk) if last else None
    page = paginate(rows, size=limit, order=LATEST_FIRST, older_than=place, onwards_only=True)
    return [reconcile(each) for each in page.rows], page.older is not None


def gallery(*, user_id: int, before: str = "") -> tuple[Sequence[ImageRequest], bool]:
    """The user's requests, the latest first, and whether there are older ones; `before` is the
    id of the last one seen. Those whose images are all deleted are left out."""
    has_images = Exists(Image.objects.filter(request=OuterRef("pk")))
    worth_showing = Q(has_images) | Q(
        state__in=[ImageRequest.State.RUNNING, ImageRequest.State.FAILED]
    )
    last = own_request(user_id=user_id, request_id=before)
    return requests_page(worth_showing, user_id=user_id, last=last, limit=REQUESTS_SHOWN)
