"""What is sold and for how much: plans and prices, and every change of them."""

from django.db import models
from django.db.models import PROTECT, CheckConstraint, Index, Q
from django.db.models.functions import Now

from credits.models.users import User


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
            CheckConstraint(condition=Q(credits__gte=0), name="plan_credits_not_negative")
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
        constraints = [CheckConstraint(condition=Q(id=1), name="admin_settings_one_row")]

    def __str__(self) -> str:
        return "prices"


class SettingsChange(models.Model):
    """One change of a price or a plan: who, when, from, to. Append-only; prices are numbers, plans
    objects, and null is what was not there (before) or is not any more (after)."""

    class Subject(models.TextChoices):
        PRICE = "price", "Price"
        PLAN = "plan", "Plan"

    #: None when no person decided (an import, a webhook).
    actor = models.ForeignKey(User, PROTECT, null=True, related_name="settings_changes")
    #: What the actor was called then.
    actor_name = models.CharField(max_length=254, blank=True)
    subject = models.CharField(max_length=10, choices=Subject)
    #: The feature's key, or the Clerk id the plan had before.
    name = models.CharField(max_length=64)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes = [Index(fields=["subject", "name", "-id"], name="change_of_subject")]

    def __str__(self) -> str:
        return f"{self.name}: {self.before} → {self.after}"
