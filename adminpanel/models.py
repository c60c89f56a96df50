"""What the admin desk keeps of its own: large adjustments that wait for a second admin."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from credits.models import Account, UsageHistory, User


def _state(name: str, *, decided: bool, posted: bool) -> Q:
    """What a request in this state has: a decision, and a row of the journal."""
    return Q(
        state=name,
        decided_by__isnull=not decided,
        decided_at__isnull=not decided,
        usage__isnull=not posted,
    )


class AdjustmentRequest(models.Model):
    """An adjustment that one admin asked for and another decides. Nothing moves until then. Who
    asked for what never changes, and a decision is final: a trigger keeps both."""

    class State(models.TextChoices):
        PENDING = "pending", "Pending"
        APPROVED = "approved", "Approved"
        DECLINED = "declined", "Declined"

    #: Whose balance; `user` is the user with the account's id, without a column of its own.
    account = models.ForeignKey(Account, models.PROTECT, related_name="adjustment_requests")
    user = models.ForeignObject(
        User, models.PROTECT, ["account"], ["id"], related_name="adjustment_requests"
    )
    #: Credits to add (negative: to take away), or the balance to set: one of them.
    delta = models.BigIntegerField(null=True)
    target = models.BigIntegerField(null=True)
    #: The balance that the one who asked was looking at.
    balance_then = models.BigIntegerField()
    reason = models.CharField(max_length=500)
    asked_by = models.ForeignKey(User, models.PROTECT, related_name="asked_adjustments")
    asked_at = models.DateTimeField(db_default=Now(), editable=False)
    #: Made before the first try, so that asking twice is asking once.
    key = models.CharField(max_length=255)
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    decided_by = models.ForeignKey(
        User, models.PROTECT, null=True, related_name="decided_adjustments"
    )
    decided_at = models.DateTimeField(null=True)
    #: The row of the journal that it became.
    usage = models.OneToOneField(UsageHistory, models.PROTECT, null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "key"], name="adjustment_asked_once"),
            models.CheckConstraint(
                condition=Q(delta__isnull=True, target__isnull=False, target__gte=0)
                | (Q(delta__isnull=False, target__isnull=True) & ~Q(delta=0)),
                name="adjustment_delta_or_target",
            ),
            models.CheckConstraint(
                condition=_state("pending", decided=False, posted=False)
                | _state("declined", decided=True, posted=False)
                | _state("approved", decided=True, posted=True),
                name="adjustment_decision_whole",
            ),
            models.CheckConstraint(
                condition=~Q(state="approved") | ~Q(decided_by=F("asked_by")),
                name="adjustment_needs_two_admins",
            ),
        ]
        indexes = [
            models.Index(fields=["-id"], condition=Q(state="pending"), name="adjustment_pending")
        ]

    def __str__(self) -> str:
        return f"{self.what} for account {self.account_id} ({self.state})"

    @property
    def what(self) -> str:
        """As a heading: `Set to 500`, `+20,000 credits`."""
        if self.delta is None:
            return f"Set to {self.target:,} credits"
        return f"{'+' if self.delta > 0 else '−'}{abs(self.delta):,} credits"

    @property
    def is_pending(self) -> bool:
        return self.state == self.State.PENDING

    def change_of(self, balance: int) -> int:
        """What it would change of a balance, in credits."""
        return (self.target or 0) - balance if self.delta is None else self.delta
