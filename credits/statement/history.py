"""Reading the journal: a user's statement, filtered."""

from datetime import date

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import JSONObject

from credits.features import CHARGE_TYPES, Kind, to_operation_type
from credits.models import Hold, UsageHistory
from credits.reasons import Reason
from credits.statement.days import on_days

type Rows = QuerySet[UsageHistory]
#: What a charge by tokens had reserved and did not use (`UsageHistory.kind`).
UNUSED = Q(
    refund_of__isnull=False, by_payer=True, details__contains={"reason": Reason.UNUSED.value}
)


def filter_rows(
    rows: Rows,
    *,
    kind: str | None = None,
    feature: str | None = None,
    key: str | None = None,
    first: date | None = None,
    last: date | None = None,
) -> Rows:
    """Only rows of a kind, of a feature, of an API key (its public id; what came back of its
    charges too), and from the day `first` to the day `last` (both included). Raises
    UnknownFeature."""
    if kind == Kind.CHARGE:
        rows = rows.filter(operation_type__in=CHARGE_TYPES, refund_of__isnull=True)
    elif kind == Kind.UNUSED:
        rows = rows.filter(UNUSED)
    elif kind == Kind.REFUND:
        rows = rows.filter(refund_of__isnull=False).exclude(UNUSED)
    elif kind:
        # No charge and no refund: an index leaves those out.
        rows = rows.filter(
            operation_type=kind.upper(), refund_of__isnull=True, unit_cost__isnull=True
        )
    if feature:
        rows = rows.filter(operation_type=to_operation_type(feature))
    if key:
        rows = rows.filter(Q(api_key__public_id=key) | Q(refund_of__api_key__public_id=key))
    return rows.filter(on_days("created_at", first, last))


def statement(*, user_id: int | None) -> Rows:
    """A user's rows, everybody's if None, each with `is_held`: whether its work still goes on."""
    held = Exists(Hold.objects.filter(charge_id=OuterRef("pk")))
    rows = UsageHistory.objects.annotate(is_held=held).select_related("use", "api_key")
    return rows if user_id is None else rows.filter(account_id=user_id)


def with_refunds(rows: Rows) -> Rows:
    """Each row with its `refund_rows`: the refunds, oldest first, `id` and `credits` of each."""
    refunds = UsageHistory.objects.filter(refund_of=OuterRef("pk")).order_by("pk")
    refund = JSONObject(id="pk", credits=-F("credits_used"))
    return rows.annotate(refund_rows=ArraySubquery(refunds.values(json=refund)))
