"""What chats are searched by."""

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models

from ai_chat.models.conversations import Conversation


class SearchEntry(models.Model):
    """The words of a conversation's title, of a turn or of an image request in it. Triggers write
    and delete them (`ai_chat/sql/search.sql`). A table of its own, so that what changes as a job
    ends is in no index of the job (HOT)."""

    #: The id of the turn or image request; of a title that of the conversation.
    entry = models.UUIDField(primary_key=True, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.DO_NOTHING, related_name="+",
        db_index=False, db_constraint=False,
    )  # fmt: skip
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="+")
    #: 1 for a title, else 0: titles come first.
    is_title = models.PositiveSmallIntegerField()
    created_at = models.DateTimeField()
    #: Its words, each behind its owner's id.
    vector = SearchVectorField()

    class Meta:
        indexes = [
            # What waits for the index is read by every search: half a megabyte takes milliseconds.
            GinIndex(fields=["vector"], gin_pending_list_limit=512, name="search_by_words"),
            # For words that stand in most messages of somebody who has many: the latest are read
            # until there are enough.
            models.Index(
                fields=["user", "-is_title", "-created_at", "-entry"], name="search_latest"
            ),
        ]

    def __str__(self) -> str:
        return f"words of {self.entry}"
