"""Files that users send with their messages."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from ai_chat.models.conversations import Conversation

#: The folder of the storage; it has a folder for every user in it.
ATTACHMENTS = "attachments"


class Attachment(models.Model):
    """A file that a user sent, or is about to send, to a conversation. Of a picture there is what
    models are shown, in the storage; of other files the file, and its text here."""

    class Kind(models.TextChoices):
        PICTURE = "picture", "Picture"
        PDF = "pdf", "PDF"
        OFFICE = "office", "Office document"
        TEXT = "text", "Text"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="attachments", db_index=False
    )
    #: Null until a message is sent with it.
    conversation = models.ForeignKey(
        Conversation, models.CASCADE, null=True, related_name="attachments", db_index=False
    )
    #: As its user called it.
    name = models.CharField(max_length=255)
    kind = models.CharField(max_length=10, choices=Kind)
    #: By what is in it, not by what it was called.
    content_type = models.CharField(max_length=100)
    #: The name in the storage, and the size there.
    file = models.CharField(max_length=200, unique=True)
    bytes = models.PositiveIntegerField()
    #: What was read out of it; empty for pictures.
    text = models.TextField(blank=True)
    #: Of the text, and bytes of it in UTF-8.
    characters = models.PositiveIntegerField(default=0)
    octets = models.PositiveIntegerField(default=0)
    #: Whether the file holds more text than is kept of it.
    is_cut = models.BooleanField(default=False)
    #: Of a PDF or a presentation.
    pages = models.PositiveIntegerField(null=True)
    #: Of a picture, in pixels, as it is kept.
    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes = [
            models.Index(fields=["user", "-created_at"], name="attachments_of_user"),
            models.Index(
                fields=["conversation"],
                condition=models.Q(conversation__isnull=False),
                name="attachments_of_conversation",
            ),
            models.Index(
                fields=["created_at"],
                condition=models.Q(conversation__isnull=True),
                name="attachments_unsent",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"

    @property
    def is_picture(self) -> bool:
        return self.kind == self.Kind.PICTURE

    @property
    def stored_name(self) -> str:
        """Where its content is put in the storage: what a killed process left can be found."""
        return f"{ATTACHMENTS}/{self.user_id}/{self.pk}"

    @property
    def filename(self) -> str:
        """What a download is called: the ending of a picture is that of what is kept of it."""
        if not self.is_picture:
            return self.name
        stem = self.name.rpartition(".")[0] or self.name
        return f"{stem}.{'png' if self.content_type == 'image/png' else 'jpg'}"
