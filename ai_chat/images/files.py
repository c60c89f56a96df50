"""Images in the storage: a folder per request, so that what a killed process left can be found."""

import logging
from collections.abc import Iterable
from typing import NamedTuple
from uuid import uuid4

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.http import FileResponse, Http404, HttpRequest, HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.csp import CSP
from django.views.decorators.cache import cache_control
from django.views.decorators.csp import csp_override

from ai_chat.images.verify import Verified
from ai_chat.models import Image, ImageRequest

logger = logging.getLogger(__name__)


class Kept(NamedTuple):
    """A verified image under its name in the storage."""

    name: str
    image: Verified


class StorageFailed(Exception):
    """The storage did not take a file. Each storage has exceptions of its own: they are caught
    widely here, and logged."""


def folder_of(request: ImageRequest) -> str:
    return f"images/{request.user_id}/{request.pk}"


def keep(request: ImageRequest, image: Verified) -> Kept:
    """Puts an image into the storage. Raises StorageFailed."""
    name = f"{folder_of(request)}/{uuid4()}.{image.ending}"
    try:
        return Kept(default_storage.save(name, ContentFile(image.content)), image)
    except Exception as error:
        logger.exception("image request %s: the storage failed", request.pk)
        raise StorageFailed from error


def discard(names: Iterable[str]) -> None:
    """Deletes files that belong to nobody. One that cannot be deleted is reported and stays."""
    for name in names:
        try:
            default_storage.delete(name)
        except Exception:
            logger.exception("the storage did not delete %s", name)


def discard_all(request: ImageRequest) -> None:
    """Deletes whatever a request has put into the storage."""
    folder = folder_of(request)
    try:
        _, names = default_storage.listdir(folder)
    except FileNotFoundError:
        return
    except Exception:
        logger.exception("the storage did not list %s", folder)
        return
    discard(f"{folder}/{name}" for name in names)


@cache_control(private=True, no_cache=True)
@csp_override({"default-src": [CSP.NONE], "sandbox": [""], "frame-ancestors": [CSP.NONE]})
def serve(request: HttpRequest, image: Image) -> HttpResponseBase:
    """The file to the image's owner, whom the caller has checked: never run, never shown in a
    frame, never from a cache without asking. `?download` saves it."""
    etag = f'"{image.pk}"'
    unchanged = get_conditional_response(request, etag=etag)
    if unchanged is not None:
        return unchanged
    try:
        content = default_storage.open(image.file)
    except FileNotFoundError:
        raise Http404 from None
    return FileResponse(
        content,
        as_attachment="download" in request.GET,
        filename=image.filename,
        content_type=image.content_type,
        headers={"ETag": etag},
    )
