"""What admins did."""

from django.db import models
from django.db.models import PROTECT, Index
from django.db.models.functions import Now

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
    reason = models.CharField(max_length=500, blank=True)
    #: The address it came from, or `command` for none.
    origin = models.CharField(max_length=64)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes = [
            Index(fields=["action", "-id"], name="audit_of_action"),
            Index(fields=["actor", "-id"], name="audit_of_actor"),
            Index(fields=["user", "-id"], name="audit_of_user"),
        ]

    def __str__(self) -> str:
        return f"{self.actor_name}: {self.action} {self.target}"
