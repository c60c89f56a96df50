"""Images in the storage: a folder per request, so that what a killed process left can be found."""

import logging
from collections.abc import Iterable
from typing import NamedTuple
from uuid import uuid4

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from ai_chat.images.verify import Verified
from ai_chat.models import ImageRequest

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
