"""Webhooks that users have this site call: where, what was to be sent, and each attempt at it."""

import uuid
from urllib.parse import urlsplit

from django.db import models
from django.db.models import Index, Q, UniqueConstraint
from django.db.models.functions import Now

from credits.models.users import Account


class WebhookEndpoint(models.Model):
    """An address of a user's own that gets messages about their account."""

    class DisabledReason(models.TextChoices):
        """Why nothing is sent to it any more."""

        NONE = "", ""
        BY_USER = "by_user", "You turned it off"
        GONE = "gone", "It answered 410 Gone"
        FAILING = "failing", "It failed for three days"
        SECRET_LOST = "secret_lost", "Its secret cannot be read any more: make a new one"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, models.DB_CASCADE, related_name="webhook_endpoints")
    url = models.CharField(max_length=500)
    description = models.CharField(max_length=150, blank=True)
    #: Encrypted (`credits.events.encryption`), and the one before it, which signs until then too.
    secret = models.TextField()
    former_secret = models.TextField(blank=True)
    former_until = models.DateTimeField(null=True)
    active = models.BooleanField(default=True)
    disabled_reason = models.CharField(max_length=20, blank=True, choices=DisabledReason)
    #: When the first attempt failed after the last that did not.
    failing_since = models.DateTimeField(null=True)
    #: Until then one worker sends to it, and no other does.
    claimed_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [UniqueConstraint(fields=["account", "url"], name="webhook_address_once")]

    def __str__(self) -> str:
        return f"webhook at {self.host}"

    @property
    def host(self) -> str:
        """The host of its address: a path may hold what only its owner should know."""
        return urlsplit(self.url).hostname or ""


class WebhookMessage(models.Model):
    """Something that happened to an account and was announced, once for each key. Kept for 30
    days."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(
        Account, models.DB_CASCADE, related_name="webhook_messages", db_index=False
    )
    #: What happened: `limit.threshold_reached`, …
    kind = models.CharField(max_length=100)
    key = models.CharField(max_length=255)
    payload = models.JSONField()
    created_at = models.DateTimeField(db_default=Now(), editable=False, db_index=True)

    class Meta:
        constraints = [UniqueConstraint(fields=["account", "key"], name="webhook_message_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.public_id}"

    @property
    def public_id(self) -> str:
        """The same in every attempt (`webhook-id`), so that a receiver knows what it has seen."""
        return f"msg_{self.pk.hex}"


class WebhookAttempt(models.Model):
    """One attempt to send a message to an endpoint: the row is there before, and is what is still
    to be sent while `ended_at` is null."""

    class Failure(models.TextChoices):
        """Why there is no status, or why the status is a failure."""

        NONE = "", ""
        STATUS = "status", "It answered with another status than 2xx"
        REFUSED = "refused", "Its address is not public"
        NO_ADDRESS = "no_address", "Its host has no address"
        CONNECT = "connect", "No connection"
        TLS = "tls", "No encrypted connection, or its certificate is not valid"
        TIMEOUT = "timeout", "No answer in time"
        BROKEN = "broken", "The connection broke off, or what came is no HTTP"

    message = models.ForeignKey(WebhookMessage, models.DB_CASCADE, related_name="attempts")
    endpoint = models.ForeignKey(
        WebhookEndpoint, models.DB_CASCADE, related_name="attempts", db_index=False
    )
    number = models.PositiveSmallIntegerField(default=1)
    due_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    status = models.PositiveSmallIntegerField(null=True)
    failure = models.CharField(max_length=20, blank=True, choices=Failure)
    milliseconds = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            UniqueConstraint(
                fields=["message", "endpoint", "number"], name="webhook_attempt_number_once"
            ),
            UniqueConstraint(
                fields=["message", "endpoint"],
                condition=Q(ended_at__isnull=True),
                name="webhook_attempt_pending_once",
            ),
        ]
        indexes = [
            Index(
                fields=["endpoint", "due_at"],
                condition=Q(ended_at__isnull=True),
                name="webhook_attempt_due",
            ),
            Index(fields=["endpoint", "-id"], name="webhook_attempt_of_endpoint"),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.message_id}"

    @property
    def state(self) -> str:
        """`pending`, `delivered` or `failed`."""
        if self.ended_at is None:
            return "pending"
        return "failed" if self.failure else "delivered"
