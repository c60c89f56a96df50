"""What admins did."""

from django.db import models
from django.db.models import PROTECT, CheckConstraint, F, Index, Q
from django.db.models.functions import Now

from credits.models.ledger import UsageHistory
from credits.models.users import User


class AuditEntry(models.Model):
    """One thing an admin did: who, what, to what, before, after, when, from where. Append-only, and
    written in the transaction of what it tells of (`credits.audit`)."""

    #: None when no person decided.
    actor = models.ForeignKey(User, PROTECT, null=True, related_name="audit_entries")
    #: What the actor was called then.
    actor_name = models.CharField(max_length=254, blank=True)
    #: As `price.set`: what kind of thing, and what was done to it.
    action = models.CharField(max_length=40)
    #: What it was done to, for people: a feature's key, a plan's id, `row 17`.
    target = models.CharField(max_length=254, blank=True)
    #: Whose account it touched, if anybody's.
    user = models.ForeignKey(User, PROTECT, null=True, related_name="touched_by")
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    #: Credits that this moved, or lets move: their number, whichever way. Those of a day without a
    #: second admin are what `credits.approvals` sums.
    credits = models.BigIntegerField(db_default=0)
    #: The row of the journal by which they moved, if they moved at once.
    usage = models.OneToOneField(UsageHistory, PROTECT, null=True, related_name="audit_entry")
    #: The second admin, who said yes to it.
    approved_by = models.ForeignKey(User, PROTECT, null=True, related_name="approved_entries")
    reason = models.CharField(max_length=500, blank=True)
    #: The address it came from, or `command` for none.
    origin = models.CharField(max_length=64)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            CheckConstraint(condition=Q(credits__gte=0), name="audit_credits_not_negative"),
            CheckConstraint(condition=~Q(approved_by=F("actor")), name="audit_approved_by_another"),
            # What is unknown (no actor, no account) is not false to a CHECK.
            CheckConstraint(
                condition=Q(credits=0) | (~Q(user=F("actor")) & ~Q(user=F("approved_by"))),
                name="audit_not_own_account",
            ),
        ]
        indexes = [
            Index(
                fields=["actor", "created_at"],
                condition=Q(credits__gt=0, approved_by__isnull=True),
                name="audit_moved_alone",
            ),
            Index(fields=["action", "-id"], name="audit_of_action"),
            Index(fields=["actor", "-id"], name="audit_of_actor"),
            Index(fields=["user", "-id"], name="audit_of_user"),
        ]

    def __str__(self) -> str:
        return f"{self.actor_name}: {self.action} {self.target}"
