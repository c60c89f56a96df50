"""Who pays."""

from django.db import models
from django.db.models import Func, Value
from django.db.models.functions import Now


class Account(models.Model):
    """A payer: balances, grants and the journal belong to an account, not to who signs in.

    A user's own account has the user's id; the database makes it together with the user
    (`credits/sql/accounts.sql`). All ids come from one sequence, so an id names one payer."""

    class Kind(models.TextChoices):
        PERSONAL = "personal", "Personal"

    id = models.BigIntegerField(
        primary_key=True,
        db_default=Func(Value("credits_user_id_seq"), function="nextval"),
        editable=False,
    )
    kind = models.CharField(max_length=10, choices=Kind)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(kind="personal"), name="account_kind_known")
        ]

    def __str__(self) -> str:
        return f"account {self.pk}"
