"""The ledger's tables. Balances, grants and allocations change only by a row in UsageHistory:
triggers in `credits/sql/` post each row and refuse every other way (docs/ledger.md). A relation
without a constraint of the database is one that those triggers imply: checking it again cost every
charge a statement at its commit.

All of them belong to an account. `user` is the user with the account's id, for readers: a join
without a column of its own."""

from typing import Any

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import (
    PROTECT,
    CheckConstraint,
    ExpressionWrapper,
    F,
    Index,
    Q,
    UniqueConstraint,
)
from django.db.models.functions import Now
from django.utils.dateformat import format as format_date
from django.utils.timezone import localtime

from credits.features import FEATURES_BY_TYPE, Kind, OperationType
from credits.models.catalogue import model_label
from credits.models.subscriptions import Period, SubscriptionItem
from credits.models.users import Account, User
from credits.reasons import Reason, words_of


class CreditBalance(models.Model):
    """What an account can spend now, in credits. Open holds are already taken off."""

    account = models.OneToOneField(Account, PROTECT, primary_key=True, related_name="balance")
    # Unique: a filter on `credit_balance__…` of users joins once, as for any one-to-one field.
    user = models.ForeignObject(
        User, PROTECT, ["account"], ["id"], related_name="credit_balance", unique=True
    )
    credits_remaining = models.BigIntegerField(default=0)
    #: The row of UsageHistory this balance stands at: also the balance's version.
    last_usage_id = models.BigIntegerField(default=0)
    #: When a plan brings credits the next time by our clock. A read or spend after it has them
    #: granted first (`credits.ledger.credits_due`).
    due_at = models.DateTimeField(null=True)
    #: Whether `SpendDay` counts what the account spends: since its first limit.
    counted = models.BooleanField(db_default=False)

    class Meta:
        constraints = [
            CheckConstraint(condition=Q(credits_remaining__gte=0), name="i1_balance_not_negative")
        ]

    def __str__(self) -> str:
        return f"{self.credits_remaining} credits"


class CreditGrant(models.Model):
    """Credits that came in together, and how many of them are left. Burn order: priority (low
    first), soonest expiry, oldest."""

    class Source(models.TextChoices):
        SIGNUP = "signup", "Welcome credits"
        PLAN = "plan", "Plan"
        PACK = "pack", "Credit pack"
        ADJUSTMENT = "adjustment", "Adjustment"
        REFUND = "refund", "Refund of expired credits"

    account = models.ForeignKey(Account, PROTECT, related_name="grants", db_index=False)
    user = models.ForeignObject(User, PROTECT, ["account"], ["id"], related_name="credit_grants")
    source = models.CharField(max_length=20, choices=Source)
    amount = models.BigIntegerField()
    remaining = models.BigIntegerField(default=0)
    #: For the index that charges burn by. Unlike `remaining` it seldom changes, so that the updates
    #: of a grant stay within its page (HOT).
    has_credits = models.GeneratedField(
        expression=ExpressionWrapper(Q(remaining__gt=0), models.BooleanField()),
        output_field=models.BooleanField(),
        db_persist=True,
    )
    priority = models.SmallIntegerField()
    expires_at = models.DateTimeField(null=True, blank=True)
    #: Set when the expiry has been posted, also for grants that were spent by then.
    expired = models.BooleanField(default=False)
    #: Names what the grant is for, so that it is granted once however often it is asked for.
    key = models.CharField(max_length=300, unique=True)
    #: Whose plan brought the credits, and in which period of it; the free plan has no periods.
    subscription_item = models.ForeignKey(
        SubscriptionItem, PROTECT, null=True, related_name="grants", db_index=False
    )
    period = models.ForeignKey(Period, PROTECT, null=True, related_name="grants", db_index=False)
    #: The expired grant whose refunded credits this one carries on.
    replaces = models.ForeignKey("self", PROTECT, null=True, blank=True)
    details = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            CheckConstraint(condition=Q(amount__gt=0), name="grant_amount_positive"),
            CheckConstraint(
                condition=Q(remaining__gte=0, remaining__lte=F("amount")),
                name="i5_grant_remaining_within_amount",
            ),
            CheckConstraint(
                condition=Q(expired=False) | Q(remaining=0, expires_at__isnull=False),
                name="i5_expired_grant_is_empty",
            ),
        ]
        indexes = [
            Index(fields=["account", "-id"], name="grant_of_user"),
            Index(
                fields=["account", "priority", "expires_at", "id"],
                condition=Q(has_credits=True),
                name="grant_burn_order",
            ),
            Index(fields=["expires_at"], condition=Q(expired=False), name="grant_due"),
            Index(fields=["account", "expires_at"], condition=Q(expired=False), name="grant_ends"),
            Index(
                fields=["subscription_item", "-id"],
                condition=Q(subscription_item__isnull=False),
                name="grant_of_item",
            ),
            Index(fields=["period"], condition=Q(period__isnull=False), name="grant_of_period"),
        ]

    def __str__(self) -> str:
        return f"{self.label}: {self.remaining} of {self.amount}"

    @property
    def label(self) -> str:
        """Where its credits came from: `Plan`, `Credit pack: Small`, `Code redeemed`."""
        if "batch" in self.details:
            return "Code redeemed"
        return ": ".join(filter(None, [self.get_source_display(), self.details.get("pack")]))


#: Who made an adjustment, for its payer.
AN_ADMIN = "an admin"

#: Burn order by source: what expires is burnt before what was bought to keep.
PRIORITIES = {
    CreditGrant.Source.PLAN: 10,
    CreditGrant.Source.SIGNUP: 50,
    CreditGrant.Source.ADJUSTMENT: 100,
    CreditGrant.Source.PACK: 200,
}


class UsageHistory(models.Model):
    """The journal: one row for every change of a balance, append-only (I3). Positive
    `credits_used` leaves the balance, negative comes in. Which columns go together is checked where
    the row is posted (`credits_row_fault`): the text of a CHECK is parsed anew by each insert."""

    account = models.ForeignKey(
        Account, PROTECT, related_name="usage", db_index=False, db_constraint=False
    )
    user = models.ForeignObject(User, PROTECT, ["account"], ["id"], related_name="usage")
    operation_type = models.CharField(max_length=40, choices=OperationType)
    credits_used = models.BigIntegerField()
    balance_after = models.BigIntegerField()
    #: Credits per unit as charged, never looked up again; charges only.
    unit_cost = models.BigIntegerField(null=True)
    quantity = models.IntegerField(null=True)
    details = models.JSONField(default=dict)
    refund_of = models.ForeignKey(
        "self", PROTECT, null=True, related_name="refunds", db_index=False, db_constraint=False
    )
    #: The grant that a GRANT, EXPIRY or ADJUSTMENT row fills, empties or takes from.
    grant = models.ForeignKey(
        CreditGrant, PROTECT, null=True, related_name="usage", db_index=False, db_constraint=False
    )
    idempotency_key = models.CharField(max_length=255, null=True)
    request_fingerprint = models.CharField(max_length=64, null=True)
    #: Refunds only: whether the payer's own doing (a stop, content that was refused) brought the
    #: credits back. Past the end of the grant that paid, they then leave at once.
    by_payer = models.BooleanField(db_default=False)
    #: A charge with a lease opens a hold; the hold's own lease may be longer by now.
    lease_until = models.DateTimeField(null=True)
    #: Charges only: who acted for the account (None: its own user), and through which key.
    member = models.ForeignKey(User, PROTECT, null=True, related_name="+", db_index=False)
    api_key = models.ForeignKey(
        "ApiKey", PROTECT, null=True, related_name="+", db_index=False, db_constraint=False
    )
    #: Charges by tokens only: the price that counts, and the most that the call can cost, in
    #: pico-credits; the charge is that in whole credits, rounded up.
    price = models.ForeignKey(
        "TokenPrice", PROTECT, null=True, related_name="+", db_index=False, db_constraint=False
    )
    bound = models.DecimalField(max_digits=24, decimal_places=0, null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    #: What the line of the row says in place of its figures (`credits.statement.lines`).
    line_out: int | None = None
    line_balance: int | None = None

    class Meta:
        verbose_name_plural = "usage history"
        constraints = [
            UniqueConstraint(
                fields=["account", "idempotency_key"],
                condition=Q(idempotency_key__isnull=False),
                name="i7_usage_key_once",
            ),
            UniqueConstraint(
                fields=["grant"], condition=Q(credits_used__lt=0), name="i5_grant_posted_once"
            ),
        ]
        indexes = [
            Index(fields=["account", "-id"], name="usage_of_user"),
            Index(fields=["refund_of"], condition=Q(refund_of__isnull=False), name="usage_refunds"),
            # The statement by kind: what is rare is found without the charges between.
            Index(
                fields=["account", "-id"],
                condition=Q(refund_of__isnull=False),
                name="usage_refunds_of_user",
            ),
            Index(
                fields=["account", "-id"],
                condition=Q(refund_of__isnull=True, unit_cost__isnull=True),
                name="usage_grants_of_user",
            ),
            Index(fields=["grant"], condition=Q(grant__isnull=False), name="usage_of_grant"),
            # Costs a charge next to nothing: the journal grows in the order of time.
            BrinIndex(
                fields=["created_at"], pages_per_range=32, autosummarize=True, name="usage_by_time"
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.operation_type} {self.credits_used}"

    # How people read a row: the statement, the admin pages, CSV and the API show the same.
    # `is_held` and `refund_rows` are known of rows from `credits.statement.history`.

    @property
    def kind(self) -> Kind:
        if self.operation_type in FEATURES_BY_TYPE:
            if not self.refund_of_id:
                return Kind.CHARGE
            unused = self.by_payer and self.details.get("reason") == Reason.UNUSED
            return Kind.UNUSED if unused else Kind.REFUND
        return Kind(self.operation_type.lower())

    @property
    def feature(self) -> str | None:
        """The key of the feature that was paid for."""
        feature = FEATURES_BY_TYPE.get(self.operation_type)
        return feature and feature.key

    @property
    def paid_model(self) -> str:
        """The id of the model of a charge, or of the charge that a refund returns."""
        charge = self.refund_of
        return self.details.get("model") or (charge.details.get("model") if charge else "") or ""

    @property
    def paid_model_label(self) -> str:
        return model_label(self.paid_model)

    @property
    def what(self) -> str:
        """What happened: `Text chat`, `2 images`, `Refund`, `Welcome credits`."""
        match self.kind:
            case Kind.CHARGE:
                feature = FEATURES_BY_TYPE[self.operation_type]
                many = (self.quantity or 1) > 1
                return f"{self.quantity} {feature.unit}s" if many else feature.label
            case Kind.GRANT:
                return self._source_label
            case kind:
                return str(kind.label)

    @property
    def note(self) -> str:
        """The rest in words: model and price, or the reason, or until when."""
        reason = self.details.get("reason")
        match self.kind:
            case Kind.CHARGE:
                each = f"{self.unit_cost} each" if (self.quantity or 1) > 1 else ""
                paid = self.used.paid if self.used and self.used.collected else ""
                label = model_label(self.details.get("model"))
                by_key = f"by key {self.api_key.label}" if self.api_key else ""
                return " · ".join(filter(None, [label, each, paid, by_key]))
            case Kind.REFUND | Kind.UNUSED:
                return words_of(reason)
            case Kind.GRANT:
                expires_at = self.grant and self.grant.expires_at
                until = f"until {format_date(localtime(expires_at), 'j M Y')}" if expires_at else ""
                many = self.details.get("quantity", 1)
                packs = f"{many} packs" if many > 1 else ""
                return self._with_actor(until, packs, self.details.get("reference"), reason)
            case Kind.ADJUSTMENT:
                return self._with_actor(reason)
            case Kind.EXPIRY:
                return self._source_label

    @property
    def full_note(self) -> str:
        """The same for admins, with the name of the admin who adjusted or refunded."""
        actor = self.details.get("actor")
        note = self.note.removesuffix(f", by {AN_ADMIN}")
        return f"{note}, by {actor}" if actor else note

    @property
    def actor_for_payer(self) -> str | None:
        """Who did this, as the payer may know it: an admin's name is no business of theirs."""
        return AN_ADMIN if self.details.get("actor") else None

    def _with_actor(self, *parts: str | None) -> str:
        """The parts that there are, and that an admin did it, if one did."""
        text = " · ".join(filter(None, parts))
        return f"{text}, by {self.actor_for_payer}" if self.actor_for_payer else text

    @property
    def _source_label(self) -> str:
        return self.grant.label if self.grant else "Credits"

    @property
    def into(self) -> int:
        """What came into the balance; 0 for what left it."""
        return max(-self.credits_used, 0)

    @property
    def used(self) -> Any:
        """The `Use` of a charge by tokens; None for other rows, and while it is held."""
        return getattr(self, "use", None)

    @property
    def out(self) -> int:
        """What left the balance, as a line says it (`credits.statement.lines`)."""
        return self.credits_used if self.line_out is None else self.line_out

    @property
    def balance_then(self) -> int:
        """The balance after it, as a line says it."""
        return self.balance_after if self.line_balance is None else self.line_balance

    @property
    def held(self) -> bool:
        """Whether the work that a charge pays for is still going on."""
        return bool(self.is_held)  # type: ignore[attr-defined]

    @property
    def refunded(self) -> int:
        """What came back of a charge so far."""
        return sum(refund["credits"] for refund in self.refund_rows)  # type: ignore[attr-defined]

    @property
    def left(self) -> int:
        """What of a charge has not come back; 0 for other rows."""
        return self.credits_used - self.refunded if self.kind == Kind.CHARGE else 0

    @property
    def refundable(self) -> int:
        """What of a charge can be returned now: nothing while its work is going on."""
        return 0 if self.held else self.left


class GrantAllocation(models.Model):
    """Which grant paid how much of a journal row (positive), or got it back (negative). Written
    by the posting trigger only."""

    usage = models.ForeignKey(
        UsageHistory, PROTECT, related_name="allocations", db_constraint=False
    )
    grant = models.ForeignKey(CreditGrant, PROTECT, related_name="allocations", db_constraint=False)
    amount = models.BigIntegerField()

    class Meta:
        constraints = [CheckConstraint(condition=~Q(amount=0), name="allocation_not_zero")]

    def __str__(self) -> str:
        return f"{self.amount} of grant {self.grant_id}"


class Hold(models.Model):
    """An open charge: the provider is at work. The row is deleted exactly once, by whoever ends
    it (I6); past `lease_until` anyone may end it with a full refund."""

    charge = models.OneToOneField(
        UsageHistory, PROTECT, primary_key=True, related_name="hold", db_constraint=False
    )
    account = models.ForeignKey(
        Account, PROTECT, related_name="holds", db_index=False, db_constraint=False
    )
    user = models.ForeignObject(User, PROTECT, ["account"], ["id"], related_name="holds")
    lease_until = models.DateTimeField(db_index=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes = [Index(fields=["account", "lease_until"], name="hold_of_user")]

    def __str__(self) -> str:
        return f"hold of charge {self.charge_id}"
