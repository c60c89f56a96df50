"""For how long files are kept, and what killed processes left of them."""

from datetime import timedelta

from django.core.files.storage import default_storage
from django.db.models import Q
from django.utils import timezone

from ai_chat import files
from ai_chat.attachments.services import delete_files
from ai_chat.models import ATTACHMENTS, Attachment, ChatSettings

#: A file that is in no message after so long was not sent.
UNSENT_FOR = timedelta(days=1)
#: What is younger may belong to a process that is about to save its row.
LEFT_FOR = timedelta(hours=1)
#: Files that are deleted at once.
BATCH = 200


def forget() -> None:
    """Deletes files that were not sent within UNSENT_FOR, and those that are older than an admin
    lets them become."""
    now = timezone.now()
    old = Q(conversation=None, created_at__lt=now - UNSENT_FOR)
    if days := ChatSettings.current().attachment_days:
        old |= Q(created_at__lt=now - timedelta(days=days))
    while ids := list(Attachment.objects.filter(old).values_list("pk", flat=True)[:BATCH]):
        # One that is sent at this moment stays.
        delete_files(Attachment.objects.filter(old, pk__in=ids))


def discard_left() -> None:
    """Deletes contents without a row, whose process died before it saved that. Raises
    StorageFailed."""
    before = timezone.now() - LEFT_FOR
    for user_id in files.list_folder(ATTACHMENTS)[0]:
        folder = f"{ATTACHMENTS}/{user_id}"
        names = {f"{folder}/{name}" for name in files.list_folder(folder)[1]}
        known = Attachment.objects.filter(user_id=user_id).values_list("file", flat=True)
        for name in names.difference(known):
            if default_storage.get_modified_time(name) < before:
                files.remove(name)
