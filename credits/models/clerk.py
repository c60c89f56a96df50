"""What else is kept of Clerk: users and their sessions, the webhook inbox, sync jobs."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import PROTECT, CheckConstraint, Index, Q
from django.db.models.functions import Now

from credits.models.approvals import Approval
from credits.models.background import BackgroundJob
from credits.models.subscriptions import OfPayer
from credits.models.users import User


class Identity(models.Model):
    """A user at Clerk. `user` is null for one who was deleted before any other event came."""

    clerk_id = models.CharField(max_length=64, unique=True)
    user = models.OneToOneField(
        User, PROTECT, null=True, related_name="clerk_identity", db_index=False
    )
    email = models.CharField(max_length=254, blank=True)
    email_verified = models.BooleanField(default=False)
    banned = models.BooleanField(default=False)
    #: `updated_at` of the newest version seen; 0 while we know only the id.
    version = models.BigIntegerField(default=0)
    #: When a sync last found them in Clerk's list.
    checked_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name_plural = "identities"
        constraints = [
            CheckConstraint(
                condition=Q(user__isnull=False) | Q(deleted_at__isnull=False),
                name="clerk_identity_has_user_or_was_deleted",
            )
        ]

    def __str__(self) -> str:
        return self.clerk_id


class SessionLink(models.Model):
    """A Clerk session and the Django sessions that stand for it. Ended ones are kept for a while,
    so that a token which outlives its session opens nothing."""

    sid = models.CharField(max_length=64, unique=True)
    clerk_id = models.CharField(max_length=64, db_index=True)
    #: Two tabs may have made one each.
    session_keys = ArrayField(models.CharField(max_length=40), default=list)
    ended_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    def __str__(self) -> str:
        return self.sid


class WebhookDelivery(OfPayer):
    """The inbox: one row per `svix-id` whose signature was good."""

    class Note(models.TextChoices):
        """What an admin may want to know of a delivery that was processed."""

        NONE = "", ""
        UNKNOWN_TYPE = "unknown_type", "Unknown type"
        UNMAPPED_PLAN = "unmapped_plan", "Unmapped plan"
        UNSUPPORTED_PAYER = "unsupported_payer", "Organisation payer"
        DELETED_USER = "deleted_user", "Deleted user"
        MALFORMED = "malformed", "Malformed data"

    svix_id = models.CharField(max_length=255, unique=True)
    type = models.CharField(max_length=100, db_index=True)
    payload = models.JSONField()
    #: The payload was emptied (`credits.clerk.webhooks.inbox`): it cannot be replayed.
    forgotten = models.BooleanField(db_default=False)
    received_at = models.DateTimeField(db_default=Now(), editable=False, db_index=True)
    processed_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)
    unmapped = models.BooleanField(default=False)
    note = models.CharField(max_length=32, blank=True, choices=Note)
    #: What it changed, each time that it changed something: [{"at": …, "changes": […]}], see
    #: `credits.clerk.changes`. Null until it is processed.
    effects = models.JSONField(null=True)

    class Meta:
        verbose_name_plural = "webhook deliveries"
        indexes = [
            Index(fields=["id"], condition=Q(processed_at__isnull=True), name="clerk_inbox_open"),
            Index(fields=["id"], condition=~Q(error=""), name="clerk_inbox_failed"),
            Index(fields=["id"], condition=Q(unmapped=True), name="clerk_inbox_unmapped"),
            Index(fields=["received_at"], condition=Q(forgotten=False), name="clerk_inbox_kept"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.svix_id}"


class SyncJob(BackgroundJob):
    """A sync with Clerk: what was asked, how far it is, what came out."""

    options = models.JSONField(default=dict)
    actor = models.CharField(max_length=254)
    #: The admin who started it; None for our clock and for commands that name none.
    started_by = models.ForeignKey(User, PROTECT, null=True, related_name="syncs")
    #: Credits that it may move at most by setting plan credits, and the second admin's word that it
    #: may; without that they are the admin's own of the day.
    allowance = models.BigIntegerField(db_default=0)
    approval = models.OneToOneField(Approval, PROTECT, null=True, related_name="sync")
    phase = models.CharField(max_length=32, blank=True)
    counts = models.JSONField(default=dict)
    failed = models.PositiveIntegerField(default=0)
    #: The first failures: [{"who": …, "error": …}].
    failures = models.JSONField(default=list)
    #: Whose plan credits were set, the first of those who gain and who lose: [{"who": Clerk's id,
    #: "before": credits, "after": credits}].
    changes = models.JSONField(default=list)
    #: Where to go on after a restart.
    cursor = models.JSONField(default=dict)
    cancel_requested = models.BooleanField(default=False)

    class Meta(BackgroundJob.Meta):
        indexes = [
            Index(
                fields=["started_by"],
                condition=Q(state__in=["queued", "running"]),
                name="sync_at_work",
            )
        ]
