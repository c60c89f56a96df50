"""What an account keeps: its files and the pictures that were made for it."""

from typing import NamedTuple

from django.db import connection
from django.db.models import Sum

from ai_chat.attachments.errors import StorageFull
from ai_chat.models import Attachment, ChatSettings, Image, SharePicture

LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 4))"


class Storage(NamedTuple):
    """Bytes that an account uses and may use."""

    files: int
    pictures: int
    shared: int
    limit: int

    @property
    def used(self) -> int:
        return self.files + self.pictures + self.shared

    @property
    def percent(self) -> int:
        return min(100, self.used * 100 // max(self.limit, 1))


def storage_of(*, user_id: int) -> Storage:
    """What the account's files, made pictures, and copies of both that it shares take, and the most
    that they may."""
    files = Attachment.objects.filter(user_id=user_id).aggregate(sum=Sum("bytes"))
    pictures = Image.objects.filter(request__user_id=user_id).aggregate(sum=Sum("bytes"))
    shared = SharePicture.objects.filter(share__user_id=user_id).aggregate(sum=Sum("bytes"))
    limit = ChatSettings.current().storage_bytes
    return Storage(files["sum"] or 0, pictures["sum"] or 0, shared["sum"] or 0, limit)


def check_room(*, user_id: int, size: int) -> None:
    """Raises StorageFull where so many bytes more would be more than the account may keep."""
    storage = storage_of(user_id=user_id)
    if storage.used + size > storage.limit:
        raise StorageFull(limit=storage.limit, used=storage.used)


def lock_storage(user_id: int) -> None:
    """Until the end of the transaction nobody else adds to what the account keeps."""
    with connection.cursor() as cursor:
        cursor.execute(LOCK, [f"storage of {user_id}"])
