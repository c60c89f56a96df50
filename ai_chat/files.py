"""Files that jobs keep in the storage. Each storage has exceptions of its own: they are caught
widely here, and logged."""

import logging
from collections.abc import Iterable

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

logger = logging.getLogger(__name__)


class StorageFailed(Exception):
    """The storage did not take a file."""


def save(name: str, content: bytes) -> str:
    """Puts a file into the storage; returns the name it has there. Raises StorageFailed."""
    try:
        saved: str = default_storage.save(name, ContentFile(content))
    except Exception as error:
        logger.exception("the storage did not take %s", name)
        raise StorageFailed from error
    return saved


def discard(names: Iterable[str]) -> None:
    """Deletes files that belong to nobody. One that cannot be deleted is reported and stays."""
    for name in names:
        try:
            default_storage.delete(name)
        except Exception:
            logger.exception("the storage did not delete %s", name)


def discard_folder(folder: str) -> None:
    """Deletes whatever is in a folder of the storage."""
    try:
        _, names = default_storage.listdir(folder)
    except FileNotFoundError:
        return
    except Exception:
        logger.exception("the storage did not list %s", folder)
        return
    discard(f"{folder}/{name}" for name in names)
