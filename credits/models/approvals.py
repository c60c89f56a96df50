"""Requests for changes that a second admin has to approve."""

from typing import Any

from django.db import models
from django.db.models import PROTECT, CheckConstraint, F, Index, Q, UniqueConstraint
from django.db.models.functions import Now

from credits.models.ledger import UsageHistory
from credits.models.users import Account, User


def _state(name: str, *, decided: bool) -> Q:
    """What a request in this state has: a decision or none. A journal row comes by an approval."""
    shape = Q(state=name, decided_by__isnull=not decided, decided_at__isnull=not decided)
    return shape if name == "approved" else shape & Q(usage__isnull=True)


class Approval(models.Model):
    """A change that moves credits, which one admin asked for and another decides. Nothing moves
    until then. What was asked never changes, and a decision is final: a trigger keeps both."""

    class State(models.TextChoices):
        PENDING = "pending", "Pending"
        APPROVED = "approved", "Approved"
        DECLINED = "declined", "Declined"

    class Kind(models.TextChoices):
        """By what it does; the services of `credits.approvals` are registered under these."""

        ADJUSTMENT = "adjustment", "Adjustment"
        REFUND = "refund", "Refund"
        PLAN_ADD = "plan.add", "New plan"
        PLAN_CHANGE = "plan.change", "Change of a plan"
        PLAN_IMPORT = "plan.import", "Import of plans"
        UNDO = "settings.undo", "Undo of a change"
        PACK = "pack.give", "Credit pack"
        CODES = "codes.make", "Redeem codes"
        SYNC = "sync", "Sync that sets plan credits"

    kind = models.CharField(max_length=20, choices=Kind)
    #: Whose balance, where it is about one; `user` is the user with the account's id, without a
    #: column of its own.
    account = models.ForeignKey(Account, PROTECT, null=True, related_name="approvals")
    # Nullable too: else `select_related` would leave out requests without an account.
    user = models.ForeignObject(
        User, PROTECT, ["account"], ["id"], null=True, related_name="approvals"
    )
    #: Of an adjustment: credits to add (negative: to take away), or the balance to set.
    delta = models.BigIntegerField(null=True)
    target = models.BigIntegerField(null=True)
    #: The balance that the admin who asked for an adjustment was shown.
    balance_then = models.BigIntegerField(null=True)
    #: The other arguments of its service.
    arguments = models.JSONField(default=dict)
    #: The changes that it would have made when it was requested: [{"target", "before", "after"}].
    effects = models.JSONField(default=list)
    #: Credits that it moves, or may move at most.
    credits = models.BigIntegerField()
    #: Credits that the same admin had moved alone in the 24 hours before.
    moved_before = models.BigIntegerField(default=0)
    reason = models.CharField(max_length=500, blank=True)
    asked_by = models.ForeignKey(User, PROTECT, related_name="asked_approvals")
    asked_at = models.DateTimeField(db_default=Now(), editable=False)
    #: The idempotency key.
    key = models.CharField(max_length=255)
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    decided_by = models.ForeignKey(User, PROTECT, null=True, related_name="decided_approvals")
    decided_at = models.DateTimeField(null=True)
    #: The row of the journal that an adjustment or a refund became.
    usage = models.OneToOneField(UsageHistory, PROTECT, null=True)

    class Meta:
        constraints = [
            UniqueConstraint(
                fields=["asked_by", "account", "key"],
                nulls_distinct=False,
                name="approval_asked_once",
            ),
            CheckConstraint(
                condition=~Q(kind="adjustment")
                | Q(account__isnull=False, balance_then__isnull=False)
                & (
                    Q(delta__isnull=True, target__isnull=False, target__gte=0)
                    | (Q(delta__isnull=False, target__isnull=True) & ~Q(delta=0))
                ),
                name="adjustment_delta_or_target",
            ),
            CheckConstraint(condition=Q(credits__gt=0), name="approval_moves_credits"),
            CheckConstraint(
                condition=_state("pending", decided=False)
                | _state("declined", decided=True)
                | _state("approved", decided=True)
                & (Q(usage__isnull=False) | Q(account__isnull=True)),
                name="approval_decision_whole",
            ),
            CheckConstraint(
                condition=~Q(state="approved") | ~Q(decided_by=F("asked_by")),
                name="approval_needs_two_admins",
            ),
            # A row without an account passes: what is unknown is not false to a CHECK.
            CheckConstraint(
                condition=~Q(account=F("asked_by"))
                & (~Q(state="approved") | ~Q(account=F("decided_by"))),
                name="approval_not_own_account",
            ),
        ]
        indexes = [Index(fields=["-id"], condition=Q(state="pending"), name="approval_pending")]

    def __str__(self) -> str:
        return f"{self.what} ({self.state})"

    @property
    def what(self) -> str:
        """As a heading: `Set to 500 credits`, `+20,000 credits`, `New plan cplan_pro`."""
        if self.delta is not None:
            return f"{'+' if self.delta > 0 else '−'}{abs(self.delta):,} credits"
        if self.target is not None:
            return f"Set to {self.target:,} credits"
        targets = [effect["target"] for effect in self.effects]
        named = f" {targets[0]}" if len(targets) == 1 and self.kind != self.Kind.SYNC else ""
        return f"{self.get_kind_display()}{named}: {self.credits:,} credits"

    @property
    def is_adjustment(self) -> bool:
        return self.kind == self.Kind.ADJUSTMENT

    @property
    def is_pending(self) -> bool:
        return self.state == self.State.PENDING

    def change_of(self, balance: int) -> int:
        """What an adjustment would change of a balance, in credits."""
        return (self.target or 0) - balance if self.delta is None else self.delta

    @property
    def as_json(self) -> dict[str, Any]:
        """The request as the API has it."""
        return {
            "requestId": self.pk,
            "kind": self.kind,
            "state": self.state,
            "moves": self.credits,
            "userId": self.account_id,
            "credits": self.target,
            "adjustment": self.delta,
            "reason": self.reason,
            "usageId": self.usage_id,
        }
