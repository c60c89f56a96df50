"""Requests for images, and the images that came of them."""

import uuid

from django.db import models

from ai_chat import files
from ai_chat.jobs.models import FAILED, RUNNING, Job
from ai_chat.models.conversations import Conversation, Versions
from credits.reasons import Reason

#: The folder of the storage; it has a folder for every user in it.
IMAGES = "images"


class ImageRequest(Job):
    """One to four images of one prompt, paid together."""

    class State(models.TextChoices):
        RUNNING = RUNNING
        DELIVERED = "delivered"
        PARTIAL = "partial"
        FAILED = FAILED

    kind = "images"
    recorder = "ai_chat_record_images"
    shown_with = ("images",)

    #: Where it was asked for; None from the gallery, or when that conversation is gone.
    conversation = models.ForeignKey(
        Conversation, models.SET_NULL, null=True, related_name="image_requests", db_index=False
    )
    prompt = models.TextField()
    #: In a conversation the entry before it (`Conversation`); else null.
    parent = models.UUIDField(null=True)
    #: WIDTHxHEIGHT in pixels, as asked for.
    size = models.CharField(max_length=20)
    count = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)

    #: As those of a turn.
    versions: Versions | None = None

    class Meta:
        indexes = [
            models.Index(fields=["user", "-created_at"], name="image_requests_of_user"),
            models.Index(
                fields=["conversation", "created_at"],
                condition=models.Q(conversation__isnull=False),
                name="image_requests_of_conversation",
            ),
        ]

    @property
    def folder(self) -> str:
        """Where its files are in the storage: what a killed process left can be found."""
        return f"{IMAGES}/{self.user_id}/{self.pk}"

    def discard_result(self) -> None:
        files.discard_folder(self.folder)

    @property
    def is_stopped(self) -> bool:
        """Whether its user stopped it before all was made."""
        return bool(self.failure) and Reason(self.failure).is_stop

    @property
    def places(self) -> range:
        return range(self.count)

    @property
    def missing(self) -> int:
        """How many images were not delivered."""
        return self.refunded // (self.charge.unit_cost or 1)

    @property
    def sides(self) -> tuple[int, int]:
        """Width and height as asked for, in pixels."""
        width, height = self.size.split("x")
        return int(width), int(height)


class StoredPicture(models.Model):
    """A picture that was verified: a file in the storage, which `ai_chat.serving` serves."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    #: The name in the storage.
    file = models.CharField(max_length=200, unique=True)
    content_type = models.CharField(max_length=20)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    bytes = models.PositiveIntegerField()

    is_picture = True

    class Meta:
        abstract = True

    @property
    def filename(self) -> str:
        """What a download is called."""
        return f"tally-{str(self.pk)[:8]}.{self.file.rpartition('.')[2]}"


class Image(StoredPicture):
    """A delivered image, for its owner only."""

    request = models.ForeignKey(ImageRequest, models.CASCADE, related_name="images")
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["position"]

    def __str__(self) -> str:
        return f"image {self.pk} ({self.width}×{self.height})"
