"""What an admin changes of an account's credits, with a reason: beside `credits/ledger.py` the only
way to change balances, and like it a call of one function in PostgreSQL each."""

import json
from datetime import datetime
from typing import NamedTuple

from config.text import is_blank
from credits import exceptions, idempotency
from credits.kernel import MAX_AMOUNT, call_kernel, check_amount, check_key
from credits.ledger import Details
from credits.models import CreditGrant
from credits.models.ledger import PRIORITIES


class Adjustment(NamedTuple):
    """An admin's signed change; `usage_id` is None when there was nothing to change."""

    usage_id: int | None
    change: int
    balance: int
    replayed: bool


def adjust_credits(
    *,
    user_id: int,
    reason: str,
    actor: str,
    idempotency_key: str,
    delta: int | None = None,
    target: int | None = None,
    details: Details | None = None,
) -> Adjustment:
    """Adds `delta` credits (negative takes away) or sets the balance to `target`. The key means
    this change and reason, whoever asks again. Raises InsufficientCredits below 0,
    IdempotencyConflict, LedgerError on a missing reason, an amount out of bounds, or when not
    exactly one of `delta` and `target` is given."""
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
        extra=json.dumps({**(details or {}), "reason": reason.strip(), "actor": actor}),
    )
    if outcome == "insufficient":
        raise exceptions.InsufficientCredits(required=-change, available=available)
    if outcome == "key_conflict":
        raise exceptions.IdempotencyConflict("This idempotency key belongs to another adjustment.")
    return Adjustment(usage_id, change, available, outcome == "replayed")


class PlanReset(NamedTuple):
    """What an admin's reset did to the plan credits of an account: `before` of them were left, None
    when replayed, and `change` came (negative: left)."""

    before: int | None
    change: int
    balance: int
    replayed: bool


def set_plan_credits(
    *,
    user_id: int,
    target: int,
    expires_at: datetime,
    item_id: int,
    period_id: int | None,
    reason: str,
    actor: str,
    idempotency_key: str,
) -> PlanReset:
    """Sets what is left of an account's plan credits to `target`; credits from elsewhere stay. What
    is given lasts until `expires_at`, and is of the subscription item and period with these rows.
    Raises IdempotencyConflict, LedgerError on an amount or key out of bounds."""
    check_amount("Plan credits", target, 0, MAX_AMOUNT)
    check_key(idempotency_key)
    outcome, before, change, available = call_kernel(
        "credits_set_plan",
        owner=user_id,
        target=target,
        until=expires_at,
        of_item=item_id,
        of_period=period_id,
        burn_priority=PRIORITIES[CreditGrant.Source.PLAN],
        request_key=idempotency_key,
        fingerprint=idempotency.fingerprint([target, reason.strip()]),
        extra=json.dumps({"reason": reason.strip(), "actor": actor}),
    )
    if outcome == "key_conflict":
        raise exceptions.IdempotencyConflict("This idempotency key belongs to another adjustment.")
    return PlanReset(before, change, available, outcome == "replayed")
