"""Subscriptions at Clerk: items, the periods that they cover, and payments. Moments are Clerk's own
milliseconds (UTC) where they are compared with Clerk's."""

from datetime import UTC, datetime

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import PROTECT, Index, Q, UniqueConstraint
from django.db.models.functions import Now

#: Statuses in which an item's period has been paid for, or is on trial.
EARNING = {"active", "canceled"}
#: Those, and the ones that become so with a payment or in time.
SUBSCRIBED = EARNING | {"past_due", "upcoming"}


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

    @property
    def starts_at(self) -> datetime | None:
        """When the current period begins; `ends_at` is its end."""
        return _time_of(self.period_start)

    @property
    def ends_at(self) -> datetime | None:
        return _time_of(self.period_end)


def _time_of(milliseconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None


class Period(models.Model):
    """One period of an item. `earned` once any version, old or new, said that it was paid for, or
    on trial; its grants point to it."""

    item = models.ForeignKey(SubscriptionItem, PROTECT, related_name="periods")
    plan_id = models.CharField(max_length=64, blank=True)
    start = models.BigIntegerField()
    trial = models.BooleanField(default=False)
    annual = models.BooleanField(default=False)
    #: Never erased by a version that does not know the end.
    end = models.BigIntegerField(null=True)
    end_version = models.BigIntegerField(default=0)
    earned = models.BooleanField(default=False)
    #: `updated_at` of the oldest version by which it is earned.
    earned_version = models.BigIntegerField(null=True)
    #: Everything that this period can ever bring has been granted.
    settled = models.BooleanField(default=False)

    class Meta:
        constraints = [
            UniqueConstraint(fields=["item", "plan_id", "start", "trial"], name="clerk_period_once")
        ]
        indexes = [
            Index(
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
