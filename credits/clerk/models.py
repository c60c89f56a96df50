"""What Clerk told us, kept so that the same story ends the same way in whatever order it is told:
people, subscription items, the periods they cover, payments, the webhook inbox, and sync jobs.
Moments are Clerk's own milliseconds (UTC) where they are compared with Clerk's."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from credits.models import User


class Identity(models.Model):
    """Somebody at Clerk. `user` is null for one who was deleted before we knew them."""

    clerk_id = models.CharField(max_length=64, unique=True)
    user = models.OneToOneField(
        User, models.PROTECT, null=True, related_name="clerk_identity", db_index=False
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
            models.CheckConstraint(
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


class PayerKind(models.TextChoices):
    """Who can pay at Clerk. Only users have balances here."""

    USER = "user", "User"
    ORGANIZATION = "org", "Organization"


class OfPayer(models.Model):
    """A row about a payer at Clerk; both columns are empty when Clerk named none."""

    payer_kind = models.CharField(max_length=8, blank=True, choices=PayerKind)
    payer_id = models.CharField(max_length=64, blank=True, db_index=True)

    class Meta:
        abstract = True


class SubscriptionItem(OfPayer):
    """A subscription item's newest state."""

    item_id = models.CharField(max_length=64, unique=True)
    instance_id = models.CharField(max_length=64)
    plan_id = models.CharField(max_length=64, blank=True)
    plan_name = models.CharField(max_length=150, blank=True)
    status = models.CharField(max_length=32, db_index=True)
    is_free = models.BooleanField(default=False)
    is_trial = models.BooleanField(default=False)
    annual = models.BooleanField(default=False)
    period_start = models.BigIntegerField(null=True)
    period_end = models.BigIntegerField(null=True)
    #: Orders the versions: updated_at, the status's rank, period_start, period_end.
    version = ArrayField(models.BigIntegerField(), default=list)
    #: Every moment at which it was said to have ended.
    ends = ArrayField(models.BigIntegerField(), default=list)
    #: When a sync last found it at Clerk.
    checked_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.item_id} ({self.status})"


class Period(models.Model):
    """One period of an item. `earned` once any version, old or new, said that it was paid for (or
    on trial); what it brings is granted from here."""

    item = models.ForeignKey(SubscriptionItem, models.PROTECT, related_name="periods")
    plan_id = models.CharField(max_length=64, blank=True)
    start = models.BigIntegerField()
    trial = models.BooleanField(default=False)
    annual = models.BooleanField(default=False)
    #: Never erased by a version that does not know the end.
    end = models.BigIntegerField(null=True)
    end_version = models.BigIntegerField(default=0)
    earned = models.BooleanField(default=False)
    #: Everything that this period can ever bring has been granted.
    settled = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["item", "plan_id", "start", "trial"], name="clerk_period_once"
            )
        ]
        indexes = [
            models.Index(
                fields=["plan_id", "id"],
                condition=Q(earned=True, settled=False),
                name="clerk_period_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.plan_id} from {self.start}"


class Payment(OfPayer):
    """A payment, once per payment id. Amounts are in the currency's smallest unit. Credits are
    never granted from here."""

    payment_id = models.CharField(max_length=64, unique=True)
    status = models.CharField(max_length=32)
    charge_type = models.CharField(max_length=32, blank=True)
    amount = models.BigIntegerField(null=True)
    currency = models.CharField(max_length=8, blank=True)
    paid_at = models.BigIntegerField(null=True)
    failed_at = models.BigIntegerField(null=True)
    failed_code = models.CharField(max_length=64, blank=True)
    #: Orders the versions: a paid one is final, then updated_at.
    version = ArrayField(models.BigIntegerField(), default=list)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    def __str__(self) -> str:
        return f"{self.payment_id} ({self.status})"


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
    #: The payload was emptied (`credits.clerk.webhooks.retention`): it cannot be replayed.
    forgotten = models.BooleanField(db_default=False)
    received_at = models.DateTimeField(db_default=Now(), editable=False, db_index=True)
    processed_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)
    unmapped = models.BooleanField(default=False)
    note = models.CharField(max_length=32, blank=True, choices=Note)
    #: What it changed, each time that it changed something: [{"at": …, "changes": […]}], see
    #: `credits.clerk.webhooks.effects`. Null on rows that were processed before this was kept.
    effects = models.JSONField(null=True)

    class Meta:
        verbose_name_plural = "webhook deliveries"
        indexes = [
            models.Index(
                fields=["id"], condition=Q(processed_at__isnull=True), name="clerk_inbox_open"
            ),
            models.Index(fields=["id"], condition=~Q(error=""), name="clerk_inbox_failed"),
            models.Index(fields=["id"], condition=Q(unmapped=True), name="clerk_inbox_unmapped"),
            models.Index(
                fields=["received_at"], condition=Q(forgotten=False), name="clerk_inbox_kept"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.svix_id}"


class SyncJob(models.Model):
    """A sync with Clerk: what was asked, how far it is, what came out. `runner` is the process that
    works on it; another takes over when its heartbeat stops."""

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        CANCELED = "canceled", "Canceled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    options = models.JSONField(default=dict)
    actor = models.CharField(max_length=254)
    state = models.CharField(max_length=16, choices=State, default=State.QUEUED)
    phase = models.CharField(max_length=32, blank=True)
    processed = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    counts = models.JSONField(default=dict)
    failed = models.PositiveIntegerField(default=0)
    #: The first failures: [{"who": …, "error": …}].
    failures = models.JSONField(default=list)
    #: Where to go on after a restart.
    cursor = models.JSONField(default=dict)
    error = models.TextField(blank=True)
    cancel_requested = models.BooleanField(default=False)
    runner = models.UUIDField(null=True)
    heartbeat_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.state}: {self.processed} of {self.total}"
