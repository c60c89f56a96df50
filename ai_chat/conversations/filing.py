"""Pinning, archiving, moving and deleting chats, one or many; folders; temporary chats."""

import logging
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from ai_chat import files
from ai_chat.conversations.services import delete_conversation
from ai_chat.jobs.ending import reconcile
from ai_chat.jobs.errors import TurnRunning
from ai_chat.models import Conversation, Folder, ImageRequest
from config.errors import InvalidInput
from config.pagination import in_batches
from config.text import is_blank, on_one_line

logger = logging.getLogger(__name__)

#: Characters of a folder's name.
LONGEST_NAME = 60
#: Folders of a user.
MOST_FOLDERS = 100
#: What can be done with chats, and what it changes of them.
CHANGES: Mapping[str, Mapping[str, Any]] = {
    "pin": {"pinned_at": Now(), "archived_at": None},
    "unpin": {"pinned_at": None},
    "archive": {"archived_at": Now(), "pinned_at": None},
    "unarchive": {"archived_at": None},
}


class InvalidName(InvalidInput):
    """A folder cannot be called that; the text says why, for people."""

    path = ("name",)


class Deleted(NamedTuple):
    """How many chats were deleted, and how many were not because an answer is being written."""

    deleted: int
    running: int


def own_chats(*, user_id: int, ids: Collection[UUID]) -> QuerySet[Conversation]:
    """Those of the user's chats; a temporary one is among them."""
    return Conversation.objects.filter(user_id=user_id, pk__in=ids)


def change_chats(*, user_id: int, ids: Collection[UUID], change: str) -> int:
    """Changes the user's chats as CHANGES says; returns how many there are of them. Temporary ones
    are in no list, so they stay as they are."""
    chats = own_chats(user_id=user_id, ids=ids).filter(expires_at=None)
    return chats.update(**CHANGES[change])


def move_chats(*, user_id: int, ids: Collection[UUID], folder: Folder | None) -> int:
    """Moves chats of the user's to a folder of theirs, or out of any; returns how many."""
    return own_chats(user_id=user_id, ids=ids).filter(expires_at=None).update(folder=folder)


def keep_chat(*, conversation: Conversation) -> None:
    """Makes a temporary chat one that is kept, listed and searched."""
    Conversation.objects.filter(pk=conversation.pk).update(expires_at=None)


def delete_chats(*, user_id: int, ids: Collection[UUID]) -> Deleted:
    """Deletes chats of the user's; those in which an answer is being written stay."""
    deleted = running = 0
    for conversation in own_chats(user_id=user_id, ids=ids):
        try:
            delete_conversation(conversation=conversation)
            deleted += 1
        except TurnRunning:
            running += 1
    return Deleted(deleted, running)


def make_folder(*, user_id: int, name: str) -> Folder:
    """A folder of the user's with this name: the one that there is, or a new one. Raises
    InvalidName."""
    name = checked(name)
    own = Folder.objects.filter(user_id=user_id)
    if folder := own.filter(name=name).first():
        return folder
    if own.count() >= MOST_FOLDERS:
        raise InvalidName(f"There can be {MOST_FOLDERS} folders. Delete one first.")
    return Folder.objects.get_or_create(user_id=user_id, name=name)[0]


def rename_folder(*, folder: Folder, name: str) -> None:
    """Gives a folder another name. Raises InvalidName."""
    folder.name = checked(name)
    try:
        with transaction.atomic():
            Folder.objects.filter(pk=folder.pk).update(name=folder.name)
    except IntegrityError:
        raise InvalidName(f"There is a folder “{folder.name}” already.") from None


def checked(name: str) -> str:
    """A folder's name as it is kept. Raises InvalidName."""
    name = on_one_line(name)
    if is_blank(name):
        raise InvalidName("Give the folder a name.")
    if len(name) > LONGEST_NAME:
        raise InvalidName(
            f"A folder's name has at most {LONGEST_NAME} characters; this one has {len(name):,}."
        )
    return name


def delete_folder(*, folder: Folder) -> None:
    """Deletes a folder; its chats stay."""
    folder.delete()


def delete_expired() -> None:
    """Deletes temporary chats whose time is over, with their pictures and files. One in which work
    is going on is deleted later: its hold has to end first. The ledger keeps what they cost."""
    expired = Conversation.objects.filter(expires_at__lte=Now())
    for batch in in_batches(expired, order=("expires_at", "pk")):
        for conversation in batch:
            try:
                _delete_with_pictures(conversation)
            except TurnRunning:
                continue
            except Exception:  # A storage that fails keeps one chat, not all of them.
                logger.exception("the temporary chat %s could not be deleted", conversation.pk)


@transaction.atomic
def _delete_with_pictures(conversation: Conversation) -> None:
    """Raises TurnRunning, StorageFailed; then nothing is deleted but files."""
    # A request that goes in at this moment is waited for, or waits and begins another conversation.
    # So is somebody who keeps it.
    expired = Conversation.objects.filter(pk=conversation.pk, expires_at__lte=Now())
    if not expired.select_for_update().exists():
        return
    requests = list(ImageRequest.objects.filter(conversation=conversation).select_related("charge"))
    if any(request.is_running and reconcile(request).is_running for request in requests):
        raise TurnRunning
    delete_conversation(conversation=conversation)
    for request in requests:
        files.remove_folder(request.folder)
        request.delete()
