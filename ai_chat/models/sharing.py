"""Links under which others read a copy of a chat, and what readers report of them."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from ai_chat.models.conversations import Conversation
from ai_chat.models.images import StoredPicture

#: The folder of the storage; it has a folder for every user in it.
SHARES = "shares"


class Share(models.Model):
    """A link to a copy of a chat as it was shown when the copy was made. What becomes of the chat
    does not change the copy; its owner makes another one, or ends the link."""

    class State(models.TextChoices):
        LIVE = "live", "open"
        EXPIRED = "expired", "expired"
        REVOKED = "revoked", "revoked"
        TAKEN_DOWN = "taken down", "taken down"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="shares", db_index=False
    )
    #: Null when it is deleted.
    conversation = models.ForeignKey(
        Conversation, models.SET_NULL, null=True, related_name="shares", db_index=False
    )
    #: 256 random bits, without which nobody reads the copy. Not hashed: its owner is shown the link
    #: again, and who reads this table reads the copies beside it.
    token = models.CharField(max_length=43, unique=True)
    title = models.CharField(max_length=120)
    #: The owner's name, where they want it to be shown.
    author = models.CharField(max_length=150, blank=True)
    #: Whether a reader need not be signed in.
    for_anybody = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    #: When the copy was made; null until there is one.
    copied_at = models.DateTimeField(null=True)
    #: Null: it has no end.
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    taken_down_at = models.DateTimeField(null=True)
    #: How often others opened it.
    views = models.PositiveIntegerField(default=0, db_default=0)

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [
            models.Index(fields=["user", "-created_at", "-id"], name="shares_of_user"),
            models.Index(
                fields=["conversation"],
                condition=Q(conversation__isnull=False),
                name="shares_of_conversation",
            ),
            models.Index(
                fields=["expires_at"], condition=Q(expires_at__isnull=False), name="shares_expiring"
            ),
        ]

    def __str__(self) -> str:
        return f"share {self.pk}"

    @classmethod
    def live(cls) -> models.QuerySet["Share"]:
        """Links that are answered: with a copy, not ended, of an account that may sign in."""
        has_time = Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now())
        return cls._default_manager.filter(
            has_time,
            copied_at__isnull=False,
            revoked_at__isnull=True,
            taken_down_at__isnull=True,
            user__is_active=True,
        )

    @property
    def state(self) -> "Share.State":
        if self.taken_down_at:
            return self.State.TAKEN_DOWN
        if self.revoked_at:
            return self.State.REVOKED
        is_over = self.expires_at is not None and self.expires_at <= timezone.now()
        return self.State.EXPIRED if is_over else self.State.LIVE

    @property
    def is_live(self) -> bool:
        return self.state == self.State.LIVE

    @property
    def folder(self) -> str:
        """Where its pictures are in the storage."""
        return f"{SHARES}/{self.user_id}/{self.pk}"


class ShareEntry(models.Model):
    """A message with its answer, or pictures, as they were shown (`ai_chat.sharing.copies`)."""

    share = models.ForeignKey(Share, models.CASCADE, related_name="entries", db_index=False)
    position = models.PositiveIntegerField()
    content = models.JSONField()

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["share", "position"], name="share_entry_once")
        ]

    def __str__(self) -> str:
        return f"entry {self.position} of {self.share_id}"


class SharePicture(StoredPicture):
    """A copy of a picture: its own file, so that the original may be deleted."""

    share = models.ForeignKey(Share, models.CASCADE, related_name="pictures")

    def __str__(self) -> str:
        return f"picture {self.pk} of {self.share_id}"


class ShareReport(models.Model):
    """What a reader says is wrong with a copy."""

    class Reason(models.TextChoices):
        PERSONAL = "personal", "Somebody's personal data"
        ABUSE = "abuse", "Harassment, hate or threats"
        ILLEGAL = "illegal", "Against the law"
        DECEPTION = "deception", "Spam, fraud or malware"
        OTHER = "other", "Something else"

    share = models.ForeignKey(Share, models.CASCADE, related_name="reports")
    reason = models.CharField(max_length=10, choices=Reason)
    text = models.CharField(max_length=1000, blank=True)
    #: Null: somebody who was not signed in.
    reporter = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    #: When an admin took the copy down, or dismissed the report; null: nobody has yet.
    closed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(
                fields=["created_at"], condition=Q(closed_at__isnull=True), name="reports_open"
            )
        ]

    def __str__(self) -> str:
        return f"report {self.pk} of {self.share_id}"
