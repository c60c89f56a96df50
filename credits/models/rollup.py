"""What is derived from the journal so that reports need not read all of it, and what the checks
found. Nothing here is money: it can be emptied and made again (docs/ledger.md, The rollup)."""

from decimal import Decimal

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Index
from django.db.models.functions import Now

from credits.models.users import Account


class UsageDay(models.Model):
    """A day (UTC) that is over and summed up. Days are closed one after the other, without gaps."""

    day = models.DateField(primary_key=True)
    rows = models.BigIntegerField()
    #: How many accounts were charged.
    active_accounts = models.BigIntegerField()
    closed_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.day}: {self.rows} rows"


class UsageSlice(models.Model):
    """The rows of a closed day that agree in what they are, summed up: where they are in the
    journal too, so that rare rows are found without reading the common ones."""

    day = models.ForeignKey(
        UsageDay, models.CASCADE, db_column="day", related_name="slices", db_index=False
    )
    operation_type = models.CharField(max_length=40)
    kind = models.CharField(max_length=20)
    #: Of a charge, and of what was refunded; empty where there is none.
    model = models.TextField(blank=True)
    #: Why credits came back; empty for what is no refund.
    reason = models.TextField(blank=True)
    rows = models.BigIntegerField()
    #: The sum of their `credits_used`, signed.
    credits = models.BigIntegerField()
    first_id = models.BigIntegerField()
    last_id = models.BigIntegerField()

    class Meta:
        indexes = [Index(fields=["day"], name="slices_of_day")]

    def __str__(self) -> str:
        return f"{self.day_id} {self.kind} {self.operation_type}: {self.rows} rows"


def _pico() -> "models.DecimalField[Decimal, Decimal]":
    return models.DecimalField(max_digits=36, decimal_places=0)


class UseSlice(models.Model):
    """What calls by tokens used that ended on a closed day, of one model and one source of counts.
    Amounts are pico-credits."""

    day = models.ForeignKey(
        UsageDay, models.CASCADE, db_column="day", related_name="use_slices", db_index=False
    )
    #: The model that was charged.
    model = models.TextField(blank=True)
    #: Whose count it is: one of `Use.Source`.
    source = models.CharField(max_length=10)
    uses = models.BigIntegerField()
    #: Tokens, as a use has them.
    input = models.BigIntegerField()
    cached = models.BigIntegerField()
    cache_write = models.BigIntegerField()
    output = models.BigIntegerField()
    reasoning = models.BigIntegerField()
    cost = _pico()
    collected = _pico()
    #: Uses that cost more than could be collected.
    uncollected_uses = models.BigIntegerField()
    #: Uses of which is known what the provider asks; what was collected of these; what it asks.
    known = models.BigIntegerField()
    known_collected = _pico()
    provider_cost = _pico()

    class Meta:
        indexes = [Index(fields=["day"], name="use_slices_of_day")]

    def __str__(self) -> str:
        return f"{self.day_id} {self.model} {self.source}: {self.uses} uses"


class ActiveAccount(models.Model):
    """The last closed day on which an account was charged: what makes counting the accounts of the
    last so many days cheap."""

    # No constraint in the database: closing a day must not wait for whoever changes an account.
    account = models.OneToOneField(
        Account, models.DO_NOTHING, primary_key=True, db_constraint=False, related_name="activity"
    )
    last_day = models.DateField(db_index=True)

    def __str__(self) -> str:
        return f"account {self.account_id}: {self.last_day}"


class LedgerCheck(models.Model):
    """One run of the ledger's checks, what they found, and how far they looked: what changed after
    a clean run is what the next one has to look at (`credits.integrity.scope`)."""

    #: Whether it looked at all there is, or at what changed since the last clean run.
    whole = models.BooleanField()
    ok = models.BooleanField()
    checks = models.PositiveIntegerField()
    #: Rows of the journal that were looked at.
    rows = models.BigIntegerField()
    #: The newest row of the journal, 0 without one.
    last_row = models.BigIntegerField()
    #: The smallest transaction that was still running: what greater ones wrote was not seen.
    horizon = models.BigIntegerField()
    #: The charges that were held: what came of one need not have left a row.
    held = ArrayField(models.BigIntegerField(), default=list)
    #: The cluster that `horizon` is a number of: in a copy that was restored it means nothing.
    cluster = models.BigIntegerField()
    seconds = models.FloatField()
    #: What failed: name, invariant, sentence, offences, offender, offenders.
    differences = models.JSONField(default=list)
    #: Since when it is true: the moment of the snapshot.
    started_at = models.DateTimeField()

    class Meta:
        indexes = [Index(fields=["whole", "-id"], name="checks_of_kind")]

    def __str__(self) -> str:
        return f"{self.started_at}: {'ok' if self.ok else 'differences'}"
