"""Files that jobs keep in the storage. Each storage has exceptions of its own: they are caught
widely here, and logged."""

import logging
from collections.abc import Iterable

from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage

logger = logging.getLogger(__name__)


class StorageFailed(Exception):
    """The storage did not take, list or delete a file."""


def save(name: str, content: "bytes | File[bytes]") -> str:
    """Puts a file into the storage; returns the name it has there. Raises StorageFailed."""
    try:
        file = ContentFile(content) if isinstance(content, bytes) else content
        saved: str = default_storage.save(name, file)
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
    """Deletes whatever is in a folder of the storage, likewise."""
    try:
        remove_folder(folder)
    except StorageFailed:
        logger.exception("the storage did not empty %s", folder)


def remove(name: str) -> None:
    """Deletes a file, or an empty folder. Raises StorageFailed."""
    try:
        default_storage.delete(name)
    except Exception as error:
        raise StorageFailed(name) from error


def remove_folder(folder: str) -> None:
    """Deletes a folder of the storage with all that is in it. Raises StorageFailed."""
    folders, names = list_folder(folder)
    for name in folders:
        remove_folder(f"{folder}/{name}")
    for name in names:
        remove(f"{folder}/{name}")
    if folders or names:
        remove(folder)  # Nothing happens where folders are a part of files' names.


def list_folder(folder: str) -> tuple[list[str], list[str]]:
    """The names of the folders and of the files in a folder; none if there is no such folder.
    Raises StorageFailed."""
    try:
        folders, names = default_storage.listdir(folder)
    except FileNotFoundError:
        return [], []
    except Exception as error:
        raise StorageFailed(folder) from error
    return [name for name in folders if name], [name for name in names if name]
