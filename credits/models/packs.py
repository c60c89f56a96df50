"""Packs of credits that do not expire, and codes that bring credits to whoever redeems them."""

from typing import ClassVar

from django.db import models
from django.db.models import PROTECT, CheckConstraint, F, Index, Q, UniqueConstraint
from django.db.models.functions import Now

from credits.models.audit import AuditEntry
from credits.models.ledger import CreditGrant
from credits.models.users import Account, User

#: Codes of one batch at most, and credits of all of them together.
MAX_CODES, MAX_WORTH = 10_000, 1_000_000_000


class Pack(models.Model):
    """Credits that are sold or given together and do not expire. Rows are retired, not deleted:
    the history and batches of codes name them."""

    name = models.CharField(max_length=100, unique=True)
    credits = models.BigIntegerField()
    #: What it costs, as people read it (`€5`): an admin takes the payment. Empty: it is not said.
    price = models.CharField(max_length=60, blank=True)
    #: Whether it is on sale.
    active = models.BooleanField(default=True)
    #: The order in which people see them.
    position = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["position", "pk"]
        constraints = [CheckConstraint(condition=Q(credits__gt=0), name="pack_credits_positive")]

    def __str__(self) -> str:
        return self.name


class CodeBatch(models.Model):
    """Redeem codes that were made together. It stays as it was made; its codes come to be when
    they are exported, and nothing but their digests is stored."""

    #: Whose credits each code brings; none: a worth of its own.
    pack = models.ForeignKey(Pack, PROTECT, null=True, related_name="batches")
    #: Credits of each code.
    worth = models.BigIntegerField()
    count = models.PositiveIntegerField()
    #: From this moment on nobody can redeem them. What was redeemed does not expire.
    expires_at = models.DateTimeField()
    #: Whether each account can redeem one of them only.
    once_per_user = models.BooleanField()
    #: What it is for, for admins.
    note = models.CharField(max_length=500, blank=True)
    #: The idempotency key of the admin who made it.
    key = models.CharField(max_length=255)
    made_by = models.ForeignKey(User, PROTECT, related_name="code_batches")
    approved_by = models.ForeignKey(User, PROTECT, null=True, related_name="approved_batches")
    #: The entry of the audit that counts its credits as what its maker moved. Entries are never
    #: deleted; with a foreign key, TRUNCATE of the audit would be refused for that, not as a rule.
    entry = models.OneToOneField(
        AuditEntry, PROTECT, related_name="code_batch", db_constraint=False
    )
    made_at = models.DateTimeField(db_default=Now(), editable=False)
    #: Who has seen the codes that can be redeemed now, and since when.
    exported_by = models.ForeignKey(User, PROTECT, null=True, related_name="exported_batches")
    exported_at = models.DateTimeField(null=True)
    voided_by = models.ForeignKey(User, PROTECT, null=True, related_name="voided_batches")
    voided_at = models.DateTimeField(null=True)

    #: Codes that were redeemed, and whether its end has come: of `credits.packs.batches`.
    redeemed: int
    is_over: bool

    class Meta:
        constraints = [
            UniqueConstraint(fields=["made_by", "key"], name="code_batch_made_once"),
            CheckConstraint(
                condition=Q(worth__gte=1, count__gte=1, count__lte=MAX_CODES)
                & Q(worth__lte=MAX_WORTH / F("count")),
                name="code_batch_bounds",
            ),
            # What is unknown is not false to a CHECK.
            CheckConstraint(
                condition=~Q(approved_by=F("made_by")), name="code_batch_approved_by_another"
            ),
            CheckConstraint(
                condition=Q(exported_by__isnull=True, exported_at__isnull=True)
                | Q(exported_by__isnull=False, exported_at__isnull=False),
                name="code_batch_export_whole",
            ),
            CheckConstraint(
                condition=Q(voided_by__isnull=True, voided_at__isnull=True)
                | Q(voided_by__isnull=False, voided_at__isnull=False),
                name="code_batch_void_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"batch {self.pk}"

    @property
    def credits(self) -> int:
        """Credits of all its codes."""
        return self.worth * self.count

    @property
    def state(self) -> str:
        """`made`, `exported`, `over` or `void`."""
        if self.voided_at:
            return "void"
        return "over" if self.is_over else "exported" if self.exported_at else "made"

    @property
    def redeemed_percent(self) -> int:
        return 100 * self.redeemed // self.count


class RedeemCode(models.Model):
    """A code of a batch, by its digest: whoever has the code redeems it, once. An export anew gives
    those that were not redeemed another digest."""

    batch = models.ForeignKey(CodeBatch, PROTECT, related_name="codes", db_index=False)
    #: From 1 to the batch's count.
    number = models.PositiveIntegerField()
    #: SHA-256 of the code as `credits.packs.codes.normalised` has it, in hexadecimal.
    digest = models.CharField(max_length=64, unique=True)
    #: As its batch has it, for the constraint.
    once_per_user = models.BooleanField()
    #: Who redeemed it; `user` is the user with the account's id, without a column of its own.
    account = models.ForeignKey(Account, PROTECT, null=True, related_name="redeemed_codes")
    user = models.ForeignObject(
        User, PROTECT, ["account"], ["id"], null=True, related_name="redeemed_codes"
    )
    redeemed_at = models.DateTimeField(null=True)
    grant = models.OneToOneField(CreditGrant, PROTECT, null=True, related_name="redeem_code")

    #: Of an `account` that has redeemed a code.
    REDEEMED: ClassVar[Q] = Q(redeemed_at__isnull=False)

    class Meta:
        constraints = [
            UniqueConstraint(fields=["batch", "number"], name="code_number_once"),
            UniqueConstraint(
                fields=["batch", "account"],
                condition=Q(once_per_user=True, account__isnull=False),
                name="code_once_per_user",
            ),
            CheckConstraint(
                condition=Q(account__isnull=True, redeemed_at__isnull=True, grant__isnull=True)
                | Q(account__isnull=False, redeemed_at__isnull=False, grant__isnull=False),
                name="code_redeemed_whole",
            ),
        ]
        indexes = [
            Index(
                fields=["batch", "-redeemed_at"],
                condition=Q(redeemed_at__isnull=False),
                name="code_redeemed_of_batch",
            )
        ]

    def __str__(self) -> str:
        return f"batch {self.batch_id} code {self.number}"
