"""Counters of limits that are not about money."""

from django.contrib.postgres.fields import ArrayField
from django.db import models


class RateLimit(models.Model):
    """When somebody (the key says what, and who) did something lately (`credits.rate_limits`)."""

    key = models.CharField(max_length=300, primary_key=True)
    moments = ArrayField(models.DateTimeField())

    def __str__(self) -> str:
        return self.key
