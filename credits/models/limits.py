"""Limits of what an account spends, and what is counted against them (`credits/sql/limits.sql`)."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import CASCADE, PROTECT, CheckConstraint, Index, Q, UniqueConstraint
from django.db.models.functions import Now

from credits.models.keys import ApiKey
from credits.models.users import Account, User

#: The largest limit, in credits.
MAX_LIMIT = 10**12


class Limit(models.Model):
    """The most that an account, or one key or member of it, may spend in a period: whole credits. A
    hard one refuses what would pass it (I11); the others only tell."""

    class Period(models.TextChoices):
        """Calendar periods in UTC; weeks begin on Monday."""

        DAY = "day", "a day"
        WEEK = "week", "a week"
        MONTH = "month", "a month"
        EVER = "ever", "in all"

    account = models.ForeignKey(Account, CASCADE, related_name="limits", db_index=False)
    api_key = models.ForeignKey(ApiKey, CASCADE, null=True, related_name="limits", db_index=False)
    member = models.ForeignKey(User, CASCADE, null=True, related_name="limits", db_index=False)
    period = models.CharField(max_length=10, choices=Period)
    credits = models.BigIntegerField()
    hard = models.BooleanField(default=True)
    #: The first day that counts, in UTC.
    since = models.DateField()
    #: Percentages of `credits` at which the account is told.
    alert_at = ArrayField(models.PositiveSmallIntegerField(), default=list)
    #: An admin's limit stands beside one of the account's own, which cannot change it.
    by_admin = models.BooleanField(default=False)
    #: Who set it last.
    set_by = models.ForeignKey(User, PROTECT, null=True, related_name="+", db_index=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            CheckConstraint(condition=Q(credits__range=(0, MAX_LIMIT)), name="limit_credits"),
            CheckConstraint(
                condition=Q(period__in=["day", "week", "month", "ever"]), name="limit_period_known"
            ),
            CheckConstraint(
                condition=Q(api_key__isnull=True) | Q(member__isnull=True), name="limit_one_scope"
            ),
            UniqueConstraint(
                fields=["account", "api_key", "member", "period", "by_admin"],
                name="limit_once",
                nulls_distinct=False,
            ),
        ]

    def __str__(self) -> str:
        plural = "" if self.credits == 1 else "s"
        return f"{self.credits:,} credit{plural} {self.get_period_display()}"


class SpendDay(models.Model):
    """What an account has spent by its charges of a day (UTC), and what is held of them, in
    pico-credits. Kept by the database, from the account's first limit or key on (I11)."""

    pk = models.CompositePrimaryKey("account_id", "member_id", "api_key_id", "day")
    account_id = models.BigIntegerField()
    #: The account's own user where a charge names no member.
    member_id = models.BigIntegerField()
    #: 0: the site itself.
    api_key_id = models.BigIntegerField()
    day = models.DateField()
    spent = models.DecimalField(max_digits=30, decimal_places=0, default=0)
    held = models.DecimalField(max_digits=30, decimal_places=0, default=0)
    #: When it was counted last: who looks for reached limits begins here.
    changed_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            CheckConstraint(condition=Q(spent__gte=0, held__gte=0), name="i11_spend_not_negative")
        ]
        # Of the day alone: an index of a column that each spend writes would cost each spend.
        indexes = [Index(fields=["day"], name="spend_by_day")]

    def __str__(self) -> str:
        return f"{self.day}: {self.spent} spent, {self.held} held"


class LimitAlert(models.Model):
    """A threshold of a limit that was reached in a window: told once."""

    limit = models.ForeignKey(Limit, CASCADE, related_name="alerts", db_index=False)
    window_start = models.DateField()
    percent = models.PositiveSmallIntegerField()
    #: Credits of the limit when it was reached: one that was raised later has told of its own.
    credits = models.BigIntegerField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            UniqueConstraint(
                fields=["limit", "window_start", "percent", "credits"], name="limit_alert_once"
            )
        ]
        indexes = [Index(fields=["created_at"], name="limit_alerts_by_time")]

    def __str__(self) -> str:
        return f"{self.percent} % of limit {self.limit_id}"
