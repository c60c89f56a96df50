"""Conversations and their turns. Money is not here: a turn points at its charge in the journal."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from credits.models import UsageHistory


class Conversation(models.Model):
    """A user's chat. Deleting it deletes its turns; the ledger keeps what they cost."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="conversations", db_index=False
    )
    title = models.CharField(max_length=120)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    #: When its last turn began: the order in the rail.
    active_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["user", "-active_at"], name="conversation_of_user")]

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
        return settings.AI_TEXT_MODELS.get(self.model, self.model)
