"""How providers fail."""

from django.db import models
from django.db.models.functions import Now

from credits.reasons import Reason


class ProviderFailure(models.Model):
    """How often a model's provider failed in one way, and whether it still does: what the metrics
    and the desk show. `recovered_at` is set by the next answer of the model."""

    model = models.CharField(max_length=120)
    provider = models.CharField(max_length=60)
    reason = models.CharField(max_length=40, choices=Reason)
    #: Of the provider's HTTP answer, and what it called the failure.
    status = models.PositiveSmallIntegerField(null=True)
    code = models.CharField(max_length=60, blank=True)
    count = models.BigIntegerField(default=1)
    #: The first failure since the model answered last, and the latest one.
    since = models.DateTimeField(db_default=Now())
    latest_at = models.DateTimeField(db_default=Now())
    recovered_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["model", "provider", "reason", "status", "code"],
                name="provider_failure_once",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.model}: {self.reason} {self.status or ''} {self.code}".strip()
