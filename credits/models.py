"""The ledger's tables. Balances, grants and allocations change only by a row in UsageHistory:
triggers in `credits/sql/` post each row and refuse every other way (docs/ledger.md)."""

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower, Now

from credits.features import CHARGE_TYPES, OperationType


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: object) -> "User":
        """A new account; the address is kept in lower case."""
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: object) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser, PermissionsMixin):
    """Someone with a balance. Accounts are never deleted, only deactivated: the ledger refers
    to them."""

    email = models.EmailField(unique=True, null=True)
    name = models.CharField(max_length=150, blank=True)
    clerk_id = models.CharField(max_length=64, unique=True, null=True, blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField("is admin", default=False)
    date_joined = models.DateTimeField(db_default=Now(), editable=False)

    objects = UserManager()
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = []

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(email=Lower("email")), name="user_email_lower_case")
        ]

    def __str__(self) -> str:
        return self.email or self.name or self.clerk_id or f"user {self.pk}"


class Plan(models.Model):
    """A subscription plan as Clerk names it, and the credits a paid month of it brings."""

    clerk_id = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=150)
    credits = models.BigIntegerField(help_text="Credits per month.")
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name", "pk"]
        constraints = [
            models.CheckConstraint(condition=Q(credits__gte=0), name="plan_credits_not_negative")
        ]

    def __str__(self) -> str:
        return self.name


class AdminSettings(models.Model):
    """The one row of prices that differ from the defaults: feature key → credits per unit.
    The database checks each value (constraint `feature_costs_valid`)."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    feature_costs = models.JSONField(default=dict)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "admin settings"
        constraints = [models.CheckConstraint(condition=Q(id=1), name="admin_settings_one_row")]

    def __str__(self) -> str:
        return "prices"


class CreditBalance(models.Model):
    """What a user can spend now, in credits. Open holds are already taken off."""

    user = models.OneToOneField(
        User, models.PROTECT, primary_key=True, related_name="credit_balance"
    )
    credits_remaining = models.BigIntegerField(default=0)
    #: The row of UsageHistory this balance stands at: also the balance's version.
    last_usage_id = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(credits_remaining__gte=0), name="i1_balance_not_negative"
            )
        ]

    def __str__(self) -> str:
        return f"{self.credits_remaining} credits"


class CreditGrant(models.Model):
    """Credits that came in together, and how many of them are left. Burn order: priority (low
    first), soonest expiry, oldest."""

    class Source(models.TextChoices):
        SIGNUP = "signup", "Welcome credits"
        PLAN = "plan", "Plan"
        PACK = "pack", "Credit pack"
        ADJUSTMENT = "adjustment", "Adjustment"
        REFUND = "refund", "Refund of expired credits"

    user = models.ForeignKey(User, models.PROTECT, related_name="credit_grants", db_index=False)
    source = models.CharField(max_length=20, choices=Source)
    amount = models.BigIntegerField()
    remaining = models.BigIntegerField(default=0)
    priority = models.SmallIntegerField(default=100)
    expires_at = models.DateTimeField(null=True, blank=True)
    #: Set when the expiry has been posted, also for grants that were spent by then.
    expired = models.BooleanField(default=False)
    #: Names what the grant is for, so that it is granted once however often it is asked for.
    key = models.CharField(max_length=300, unique=True)
    #: The expired grant whose refunded credits this one carries on.
    replaces = models.ForeignKey("self", models.PROTECT, null=True, blank=True)
    details = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="grant_amount_positive"),
            models.CheckConstraint(
                condition=Q(remaining__gte=0, remaining__lte=F("amount")),
                name="i5_grant_remaining_within_amount",
            ),
            models.CheckConstraint(
                condition=Q(expired=False) | Q(remaining=0, expires_at__isnull=False),
                name="i5_expired_grant_is_empty",
            ),
        ]
        indexes = [
            models.Index(fields=["user", "priority", "expires_at", "id"], name="grant_burn_order"),
            models.Index(fields=["expires_at"], condition=Q(expired=False), name="grant_due"),
        ]

    def __str__(self) -> str:
        return f"{self.get_source_display()}: {self.remaining} of {self.amount}"


class UsageHistory(models.Model):
    """The journal: one row for every change of a balance, append-only (I3). Positive
    `credits_used` leaves the balance, negative comes in."""

    user = models.ForeignKey(User, models.PROTECT, related_name="usage", db_index=False)
    operation_type = models.CharField(max_length=40, choices=OperationType)
    credits_used = models.BigIntegerField()
    balance_after = models.BigIntegerField()
    #: Credits per unit as charged, never looked up again; charges only.
    unit_cost = models.BigIntegerField(null=True)
    quantity = models.PositiveIntegerField(null=True)
    details = models.JSONField(default=dict)
    refund_of = models.ForeignKey(
        "self", models.PROTECT, null=True, related_name="refunds", db_index=False
    )
    #: The grant that a GRANT, EXPIRY or incoming ADJUSTMENT row fills or empties.
    grant = models.ForeignKey(
        CreditGrant, models.PROTECT, null=True, related_name="usage", db_index=False
    )
    idempotency_key = models.CharField(max_length=255, null=True)
    request_fingerprint = models.CharField(max_length=64, null=True)
    #: A charge with a lease opens a hold; the hold's own lease may be longer by now.
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name_plural = "usage history"
        constraints = [
            models.UniqueConstraint(
                fields=["user", "idempotency_key"],
                condition=Q(idempotency_key__isnull=False),
                name="i7_usage_key_once",
            ),
            models.UniqueConstraint(
                fields=["grant"], condition=Q(credits_used__lt=0), name="i5_grant_posted_once"
            ),
            models.CheckConstraint(
                condition=Q(operation_type__in=OperationType.values), name="usage_operation_known"
            ),
            models.CheckConstraint(
                condition=Q(
                    Q(refund_of__isnull=True, grant__isnull=True, operation_type__in=CHARGE_TYPES),
                    # A CHECK lets NULL pass, so that both are asked for by name.
                    Q(unit_cost__isnull=False, unit_cost__gte=0),
                    Q(quantity__isnull=False, quantity__gte=1),
                    credits_used=F("unit_cost") * F("quantity"),
                )
                | Q(unit_cost__isnull=True, quantity__isnull=True, lease_until__isnull=True)
                & (
                    Q(
                        Q(refund_of__isnull=False, grant__isnull=True, credits_used__lt=0),
                        operation_type__in=CHARGE_TYPES,
                    )
                    | Q(
                        Q(refund_of__isnull=True, grant__isnull=False),
                        Q(operation_type=OperationType.GRANT, credits_used__lt=0)
                        | Q(operation_type=OperationType.EXPIRY, credits_used__gt=0)
                        | Q(operation_type=OperationType.ADJUSTMENT, credits_used__lt=0),
                    )
                    | Q(
                        Q(refund_of__isnull=True, grant__isnull=True, credits_used__gt=0),
                        operation_type=OperationType.ADJUSTMENT,
                    )
                ),
                name="usage_row_shape",
            ),
        ]
        indexes = [
            models.Index(fields=["user", "-id"], name="usage_of_user"),
            models.Index(
                fields=["refund_of"], condition=Q(refund_of__isnull=False), name="usage_refunds"
            ),
            models.Index(fields=["grant"], condition=Q(grant__isnull=False), name="usage_of_grant"),
            # Costs a charge next to nothing: the journal grows in the order of time.
            BrinIndex(
                fields=["created_at"], pages_per_range=32, autosummarize=True, name="usage_by_time"
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.operation_type} {self.credits_used}"


class GrantAllocation(models.Model):
    """Which grant paid how much of a journal row (positive), or got it back (negative). Written
    by the posting trigger only."""

    usage = models.ForeignKey(UsageHistory, models.PROTECT, related_name="allocations")
    grant = models.ForeignKey(CreditGrant, models.PROTECT, related_name="allocations")
    amount = models.BigIntegerField()

    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(amount=0), name="allocation_not_zero")]

    def __str__(self) -> str:
        return f"{self.amount} of grant {self.grant_id}"


class Hold(models.Model):
    """An open charge: the provider is at work. The row is deleted exactly once, by whoever ends
    it (I6); past `lease_until` anyone may end it with a full refund."""

    charge = models.OneToOneField(
        UsageHistory, models.PROTECT, primary_key=True, related_name="hold"
    )
    user = models.ForeignKey(User, models.PROTECT, related_name="holds", db_index=False)
    lease_until = models.DateTimeField(db_index=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes = [models.Index(fields=["user", "lease_until"], name="hold_of_user")]

    def __str__(self) -> str:
        return f"hold of charge {self.charge_id}"


class SettingsChange(models.Model):
    """One change of a price or a plan: who, when, from, to. Append-only; prices are numbers, plans
    objects, and null is what was not there (before) or is not any more (after)."""

    class Subject(models.TextChoices):
        PRICE = "price", "Price"
        PLAN = "plan", "Plan"

    #: None when no person decided (an import, a webhook).
    actor = models.ForeignKey(User, models.PROTECT, null=True, related_name="settings_changes")
    #: What the actor was called then.
    actor_name = models.CharField(max_length=254, blank=True)
    subject = models.CharField(max_length=10, choices=Subject)
    #: The feature's key, or the Clerk id the plan had before.
    name = models.CharField(max_length=64)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes = [models.Index(fields=["subject", "name", "-id"], name="change_of_subject")]

    def __str__(self) -> str:
        return f"{self.name}: {self.before} → {self.after}"


class AuditEntry(models.Model):
    """One thing an admin did: who, what, to what, before, after, when, from where. Append-only, and
    written in the transaction of what it tells of (`credits.audit`)."""

    #: None when no person decided.
    actor = models.ForeignKey(User, models.PROTECT, null=True, related_name="audit_entries")
    #: What the actor was called then.
    actor_name = models.CharField(max_length=254, blank=True)
    #: As `price.set`: what kind of thing, and what was done to it.
    action = models.CharField(max_length=40)
    #: What it was done to, for people: a feature's key, a plan's id, `row 17`.
    target = models.CharField(max_length=254, blank=True)
    #: Whose account it touched, if anybody's.
    user = models.ForeignKey(User, models.PROTECT, null=True, related_name="touched_by")
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    reason = models.CharField(max_length=500, blank=True)
    #: The address it came from, or `command` for none.
    origin = models.CharField(max_length=64)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes = [
            models.Index(fields=["action", "-id"], name="audit_of_action"),
            models.Index(fields=["actor", "-id"], name="audit_of_actor"),
            models.Index(fields=["user", "-id"], name="audit_of_user"),
        ]

    def __str__(self) -> str:
        return f"{self.actor_name}: {self.action} {self.target}"


# Found by Django through this module.
from credits.rollup_models import ActiveUser, LedgerCheck, UsageDay, UsageSlice  # noqa: E402, F401


class RateLimit(models.Model):
    """When somebody (the key says what, and who) did something lately (`credits.rate_limits`)."""

    key = models.CharField(max_length=300, primary_key=True)
    moments = ArrayField(models.DateTimeField())

    def __str__(self) -> str:
        return self.key
