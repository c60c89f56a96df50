"""What an admin changes of an account's credits, with a reason: beside `credits/ledger.py` the only
way to change balances, and like it a call of one function in PostgreSQL each."""

import json
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction

from config.text import is_blank
from credits import audit, exceptions, idempotency
from credits.kernel import MAX_AMOUNT, call_kernel, check_amount, check_key
from credits.ledger import Details
from credits.models import CreditGrant, UsageHistory, User
from credits.models.ledger import PRIORITIES


class Adjustment(NamedTuple):
    """An admin's signed change; `usage_id` is None when there was nothing to change."""

    usage_id: int | None
    change: int
    balance: int
    replayed: bool


def who(actor: User | str) -> dict[str, Any]:
    """The details of a journal row that name the actor, and the admin who approved the change."""
    change = audit.movement.get()
    if change is None or change.approval is None:
        return {"actor": str(actor)}
    approved = {"approvedBy": str(change.approved_by), "request": change.approval.pk}
    return {"actor": str(actor), **approved}


@transaction.atomic
def adjust_credits(
    *,
    user_id: int,
    reason: str,
    actor: User | str,
    idempotency_key: str,
    delta: int | None = None,
    target: int | None = None,
    details: Details | None = None,
) -> Adjustment:
    """Adds `delta` credits (negative takes away) or sets the balance to `target`. The key means
    this change and reason, whoever asks again. `actor` is an admin (then within a movement, see
    `credits.audit.record`) or the name of what is no person. Raises InsufficientCredits below 0,
    IdempotencyConflict, OwnAccount, LedgerError on a missing reason, an amount out of bounds, or
    when not exactly one of `delta` and `target` is given."""
    if (delta is None) == (target is None) or is_blank(reason):
        raise exceptions.LedgerError("An adjustment has a reason and either a delta or a target.")
    check_amount("An adjustment", delta or target or 0, -MAX_AMOUNT, MAX_AMOUNT)
    check_key(idempotency_key)
    outcome, usage_id, change, available = call_kernel(
        "credits_adjust",
        owner=user_id,
        delta=delta,
        target=target,
        burn_priority=PRIORITIES[CreditGrant.Source.ADJUSTMENT],
        request_key=idempotency_key,
        fingerprint=idempotency.fingerprint([delta, target, reason.strip()]),
        extra=json.dumps({**(details or {}), "reason": reason.strip(), **who(actor)}),
    )
    if outcome == "insufficient":
        raise exceptions.InsufficientCredits(required=-change, available=available)
    if outcome == "key_conflict":
        raise exceptions.IdempotencyConflict("This idempotency key belongs to another adjustment.")
    if outcome == "adjusted":
        audit.record(
            actor=actor,
            action="adjustment.make",
            target=f"row {usage_id}",
            user_id=user_id,
            before=available - change,
            after=available,
            reason=reason.strip(),
            credits=abs(change),
            usage_id=usage_id,
        )
    return Adjustment(usage_id, change, available, outcome == "replayed")


class PlanReset(NamedTuple):
    """What an admin's reset did to the plan credits of an account: `before` of them were left, None
    when replayed, and `change` came (negative: left)."""

    before: int | None
    change: int
    balance: int
    replayed: bool


@transaction.atomic
def set_plan_credits(
    *,
    user_id: int,
    target: int,
    expires_at: datetime,
    item_id: int,
    period_id: int | None,
    reason: str,
    actor: User | str,
    idempotency_key: str,
    part_of: str = "",
) -> PlanReset:
    """Sets what is left of an account's plan credits to `target`; credits from elsewhere stay. What
    is given lasts until `expires_at`, and is of the subscription item and period with these rows.
    `actor` as in `adjust_credits`; the audit says what it is `part_of`. Raises IdempotencyConflict,
    OwnAccount, LedgerError on an amount or key out of bounds."""
    check_amount("Plan credits", target, 0, MAX_AMOUNT)
    check_key(idempotency_key)
    outcome, before, change, available, usage_ids = call_kernel(
        "credits_set_plan",
        owner=user_id,
        target=target,
        until=expires_at,
        of_item=item_id,
        of_period=period_id,
        burn_priority=PRIORITIES[CreditGrant.Source.PLAN],
        request_key=idempotency_key,
        fingerprint=idempotency.fingerprint([target, reason.strip()]),
        extra=json.dumps({"reason": reason.strip(), **who(actor)}),
    )
    if outcome == "key_conflict":
        raise exceptions.IdempotencyConflict("This idempotency key belongs to another adjustment.")
    # More than one where it took from several grants.
    for row in UsageHistory.objects.filter(pk__in=usage_ids or []).order_by("pk"):
        audit.record(
            actor=actor,
            action="plan_credits.set",
            target=f"row {row.pk} of {part_of}" if part_of else f"row {row.pk}",
            user_id=user_id,
            before=row.balance_after + row.credits_used,
            after=row.balance_after,
            reason=reason.strip(),
            credits=abs(row.credits_used),
            usage_id=row.pk,
        )
    return PlanReset(before, change, available, outcome == "replayed")
