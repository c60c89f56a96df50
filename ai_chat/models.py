"""Conversations, their turns and images. Money is not here: each points at its charge in the
journal."""

import uuid
from collections.abc import Mapping

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from config.env import Model
from credits.models import UsageHistory


class Conversation(models.Model):
    """A user's chat. Deleting it deletes its turns; the ledger keeps what they cost."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="conversations", db_index=False
    )
    title = models.CharField(max_length=120)
    #: The id that a client of the API gave its chat.
    external_id = models.CharField(max_length=200, null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    #: When its last turn began: the order in the rail.
    active_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["user", "-active_at"], name="conversation_of_user")]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "external_id"],
                condition=models.Q(external_id__isnull=False),
                name="conversation_external_id_once",
            )
        ]

    def __str__(self) -> str:
        return self.title


class Turn(models.Model):
    """One message of a user and its answer. A RUNNING turn has an open hold; the other states are
    final and were written together with the hold's end."""

    class State(models.TextChoices):
        RUNNING = "running"
        ANSWERED = "answered"
        STOPPED = "stopped"
        FAILED = "failed"

    class Failure(models.TextChoices):
        """Why a turn was refunded; the values are the reasons in the journal, the labels finish the
        receipt's sentence."""

        PROVIDER_ERROR = "provider_error", "the provider failed"
        TIMEOUT = "provider_timeout", "the provider took too long"
        REFUSED = "provider_refused", "the provider refused to answer"
        EMPTY = "empty_answer", "the answer was empty"
        STOPPED_EARLY = "stopped_before_first_token", "stopped before the answer began"
        LOST = "lease_expired", "the answer was interrupted on our side"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey(
        Conversation, models.CASCADE, related_name="turns", db_index=False
    )
    charge = models.OneToOneField(UsageHistory, models.PROTECT, related_name="turn")
    refund = models.OneToOneField(
        UsageHistory, models.PROTECT, null=True, related_name="refunded_turn"
    )
    model = models.CharField(max_length=120)
    prompt = models.TextField()
    answer = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    failure = models.CharField(max_length=40, choices=Failure, blank=True)
    #: Asked for by the user in a process that may not be the one running the turn.
    stop_requested = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["conversation", "created_at"], name="turns_of_conversation")
        ]

    def __str__(self) -> str:
        return f"turn {self.pk} ({self.state})"

    @property
    def is_running(self) -> bool:
        return self.state == self.State.RUNNING

    @property
    def seconds(self) -> float | None:
        """From the question to the end of the answer."""
        return (self.ended_at - self.created_at).total_seconds() if self.ended_at else None

    @property
    def model_label(self) -> str:
        return label_of(self.model, settings.AI_TEXT_MODELS)


def label_of(model: str, offered: Mapping[str, Model]) -> str:
    """What people call a model; one that is not offered any more goes by its id."""
    return offered[model].label if model in offered else model


class ImageRequest(models.Model):
    """One to four images of one prompt, paid together. A RUNNING request has an open hold; the
    other states are final and were written together with the hold's end."""

    class State(models.TextChoices):
        RUNNING = "running"
        DELIVERED = "delivered"
        PARTIAL = "partial"
        FAILED = "failed"

    class Failure(models.TextChoices):
        """Why images were refunded; the values are the reasons in the journal, the labels finish
        the receipt's sentence."""

        PROVIDER_ERROR = "provider_error", "the provider failed"
        TIMEOUT = "provider_timeout", "the provider took too long"
        REFUSED = "provider_refused", "the provider refused to paint this"
        EMPTY = "empty_result", "the provider sent fewer images than asked for"
        INVALID = "invalid_image", "what came back was no usable image"
        STORAGE = "storage_failed", "the image could not be kept on our side"
        LOST = "lease_expired", "the work was interrupted on our side"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="image_requests", db_index=False
    )
    #: Where it was asked for; None from the gallery, or when that conversation is gone.
    conversation = models.ForeignKey(
        Conversation, models.SET_NULL, null=True, related_name="image_requests", db_index=False
    )
    charge = models.OneToOneField(UsageHistory, models.PROTECT, related_name="image_request")
    refund = models.OneToOneField(
        UsageHistory, models.PROTECT, null=True, related_name="refunded_image_request"
    )
    model = models.CharField(max_length=120)
    prompt = models.TextField()
    #: WIDTHxHEIGHT in pixels, as asked for.
    size = models.CharField(max_length=20)
    count = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    failure = models.CharField(max_length=40, choices=Failure, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["user", "-created_at"], name="image_requests_of_user"),
            models.Index(
                fields=["conversation", "created_at"],
                condition=models.Q(conversation__isnull=False),
                name="image_requests_of_conversation",
            ),
        ]

    def __str__(self) -> str:
        return f"image request {self.pk} ({self.state})"

    @property
    def is_running(self) -> bool:
        return self.state == self.State.RUNNING

    @property
    def seconds(self) -> float | None:
        return (self.ended_at - self.created_at).total_seconds() if self.ended_at else None

    @property
    def model_label(self) -> str:
        return label_of(self.model, settings.AI_IMAGE_MODELS)

    @property
    def refunded(self) -> int:
        """Credits that came back."""
        return -self.refund.credits_used if self.refund else 0

    @property
    def charged(self) -> int:
        """Credits that the delivered images cost."""
        return self.charge.credits_used - self.refunded

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


class Image(models.Model):
    """A delivered image: a file in the storage, served to its owner only."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    request = models.ForeignKey(ImageRequest, models.CASCADE, related_name="images")
    #: The name in the storage.
    file = models.CharField(max_length=200, unique=True)
    content_type = models.CharField(max_length=20)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    bytes = models.PositiveIntegerField()
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["position"]

    def __str__(self) -> str:
        return f"image {self.pk} ({self.width}×{self.height})"

    @property
    def filename(self) -> str:
        """What a download is called."""
        return f"tally-{str(self.pk)[:8]}.{self.file.rpartition('.')[2]}"
