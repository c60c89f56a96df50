"""The only way to change balances. Each function is one call of a kernel function in PostgreSQL
(`credits/sql/`), which does the whole operation in one statement; outcomes become the domain errors
of `credits.exceptions`. Amounts are whole credits. `user_id` names the account that pays: a
user's own has the same id."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.dispatch import Signal

from credits import exceptions
from credits.amounts import PICO
from credits.features import ALL_FEATURES, OperationType, to_operation_type
from credits.kernel import (
    MAX_AMOUNT,
    MAX_QUANTITY,
    call_kernel,
    check_amount,
    check_key,
    ledger_now,
)
from credits.models import CreditBalance, CreditGrant, Hold
from credits.models.ledger import PRIORITIES
from credits.pricing import get_feature_cost
from credits.reasons import is_by_payer
from credits.refusals import Refused, refusal_of

type Details = dict[str, Any]

#: Sent with `user_id` when credits have come due at a moment given to `set_due`. The receiver
#: grants them, and sets the next moment.
credits_due = Signal()
#: How long until credits that could not be granted are tried again.
DUE_AGAIN = timedelta(minutes=1)


class Balance(NamedTuple):
    """An account's credits. `granted` is the size of the grants that still hold something (the
    meter's full width), `expiring` credits leave at `expires_at`; `version` changes with each
    movement and each hold; `due` when more credits should have come, and could not; `ahead` are
    pico-credits that are paid ahead. `counted`: the account has, or had, limits; `room` are the
    pico-credits that the hard ones leave to a spend on the site (None: there are none), and
    `limit_id` is the one that leaves least."""

    remaining: int
    held: int
    granted: int
    expires_at: datetime | None
    expiring: int | None
    version: str
    due: bool = False
    ahead: int = 0
    counted: bool = False
    room: int | None = None
    limit_id: int | None = None

    @property
    def spendable(self) -> int:
        """Whole credits that can be spent now, within the limits."""
        return self.remaining if self.room is None else min(self.remaining, int(self.room) // PICO)


def get_balance(*, user_id: int) -> Balance:
    """The balance, after expired credits have left and due ones have come."""
    balance: Balance = call_kernel("credits_balance", row=Balance, owner=user_id)
    if balance.due:
        _post_due(user_id)
        balance = call_kernel("credits_balance", row=Balance, owner=user_id)
    return balance


def set_due(*, user_id: int, at: datetime | None) -> None:
    """Says when credits come to an account the next time by our clock; an earlier moment stands.
    None: not at all."""
    call_kernel("credits_set_due", owner=user_id, moment=at, wait=None)


def _post_due(user_id: int) -> None:
    """Has due credits granted. A receiver that fails keeps nobody from their other credits: it is
    logged, and tried again with a read or spend after DUE_AGAIN."""
    results = credits_due.send_robust(sender=CreditBalance, user_id=user_id)
    if any(isinstance(result, Exception) for _, result in results):
        call_kernel("credits_set_due", owner=user_id, moment=None, wait=DUE_AGAIN)


def validate_credits_for_feature(*, user_id: int, feature: str, quantity: int = 1) -> Balance:
    """The balance, if it covers so many units at the feature's price. For code moved from the
    reference system (`docs/migrating.md`): here the deduction decides, in one statement. Raises
    InsufficientCredits, UnknownFeature."""
    balance = get_balance(user_id=user_id)
    required = get_feature_cost(feature) * quantity
    if balance.remaining < required:
        raise exceptions.InsufficientCredits(required=required, available=balance.remaining)
    return balance


class Charge(NamedTuple):
    """A spend in the journal. `replayed` says that this idempotency key had been charged before;
    `held` that its hold is still open."""

    id: int
    credits: int
    unit_cost: int
    balance: int
    replayed: bool
    held: bool


def deduct_credits_for_feature(
    *,
    user_id: int,
    feature: str,
    quantity: int = 1,
    model: str | None = None,
    max_unit_cost: int | None = None,
    idempotency_key: str | None = None,
    fingerprint: str | None = None,
    hold: bool = False,
    lease_seconds: int | None = None,
    details: Details | None = None,
    member_id: int | None = None,
    key_id: int | None = None,
) -> Charge:
    """Charges a feature at the price of this moment, in one round trip. With `hold` the charge is
    open until `settle_charge` or `release_charge`, or its lease (HOLD_LEASE_SECONDS unless given)
    runs out and it is refunded. `model` is of the catalogue, and its price factor counts;
    `max_unit_cost` is what the user was shown. `member_id` is who acts for the account (None: its
    own user), `key_id` the API key. Raises InsufficientCredits, LimitReached, CreditsBusy,
    PriceChanged, IdempotencyConflict, ModelNotOffered, AccountClosed, BadKey, UnknownFeature,
    LedgerError on a quantity or key out of bounds, and for a model that is priced by tokens."""
    return call_deduct(
        "credits_deduct",
        user_id=user_id,
        feature=feature,
        quantity=quantity,
        model=model,
        max_unit_cost=max_unit_cost,
        idempotency_key=idempotency_key,
        fingerprint=fingerprint,
        lease_seconds=(lease_seconds or settings.HOLD_LEASE_SECONDS) if hold else None,
        details=details,
        member_id=member_id,
        key_id=key_id,
    )[0]


def call_deduct(
    function: str,
    *,
    user_id: int,
    feature: str,
    quantity: int,
    model: str | None,
    max_unit_cost: int | None,
    idempotency_key: str | None,
    fingerprint: str | None,
    lease_seconds: int | None,
    details: Details | None,
    member_id: int | None = None,
    key_id: int | None = None,
    **more: Any,
) -> tuple[Charge, Any]:
    """Charges through `credits_deduct`, or an SQL function around it that takes `more` and has the
    same columns and others beside them. Returns the charge and the function's row. Raises what
    `deduct_credits_for_feature` raises, and Refused on further outcomes."""
    check_amount("The quantity", quantity, 1, MAX_QUANTITY)
    check_key(idempotency_key)
    row = call_spend(
        function,
        owner=user_id,
        member=member_id,
        key_id=key_id,
        operation=to_operation_type(feature),
        feature=feature,
        default_cost=ALL_FEATURES[feature].default_cost,
        units=quantity,
        model=model,
        max_unit_cost=max_unit_cost,
        request_key=idempotency_key,
        fingerprint=fingerprint,
        lease=None if lease_seconds is None else timedelta(seconds=lease_seconds),
        extra=json.dumps(details or {}),
        **more,
    )
    replayed = row.outcome == "replayed"
    return Charge(row.charge_id, row.total, row.price, row.available, replayed, row.held), row


def call_spend(function: str, *, owner: int, **arguments: Any) -> Any:
    """The row of a function that charges, or finds the charge that the request's key made before.
    Raises what its other outcomes stand for: see `credits_deduct` and `credits_reserve`."""
    row = call_kernel(function, owner=owner, **arguments)
    if row.outcome == "due":
        _post_due(owner)
        row = call_kernel(function, owner=owner, **arguments)
    if row.outcome not in {"charged", "replayed"}:
        raise refusal_of(row, arguments) from Refused(row)
    return row


def wait_for_spends(*, user_id: int) -> None:
    """Returns once every spend of the account that had begun is committed. After its user was
    closed, no other can begin."""
    call_kernel("credits_lock", owner=user_id)


class Ending(NamedTuple):
    """How a hold ended: `settled`, `refunded`, or `ended` when it had ended before. `refunded` is
    what has been returned of the charge, in credits."""

    outcome: str
    refund_id: int | None
    refunded: int


def settle_charge(
    *,
    charge_id: int,
    delivered: int | None = None,
    reason: str = "",
    details: Details | None = None,
) -> Ending:
    """Ends a hold: the charge stands, or stands for `delivered` of its units while the rest is
    refunded for `reason`. What a grant paid that has expired by then lives 30 days more, or leaves
    at once where the reason is the payer's own doing. A late caller changes nothing and gets
    `ended` (I6)."""
    ending: Ending = call_kernel(
        "credits_end_hold",
        row=Ending,
        charge_id=charge_id,
        delivered=delivered,
        reason=reason,
        by_payer=is_by_payer(reason),
        extra=json.dumps(details or {}),
    )
    return ending


def release_charge(*, charge_id: int, reason: str, details: Details | None = None) -> Ending:
    """Ends a hold with a full refund."""
    return settle_charge(charge_id=charge_id, delivered=0, reason=reason, details=details)


class Refund(NamedTuple):
    """A refund in the journal; `replayed` when this key had made it before."""

    id: int
    credits: int
    replayed: bool


def refund_charge(
    *,
    charge_id: int,
    reason: str,
    idempotency_key: str,
    amount: int | None = None,
    details: Details | None = None,
) -> Refund:
    """Returns credits of a charge whose work is over: `amount`, or all that is left of it. What a
    grant paid that has expired by then lives 30 days more, whatever the reason: this is the site's
    doing. The key means this charge, amount and reason. Raises ChargeHeld, RefundTooLarge,
    NotACharge, IdempotencyConflict."""
    if amount is not None:
        check_amount("A refund", amount, 1, MAX_AMOUNT)
    check_key(idempotency_key)
    outcome, refund_id, refunded, available = call_kernel(
        "credits_refund",
        charge_id=charge_id,
        amount=amount,
        reason=reason,
        refund_key=idempotency_key,
        extra=json.dumps(details or {}),
    )
    match outcome:
        case "held":
            raise exceptions.ChargeHeld("The charge is still in flight.")
        case "already_refunded" | "too_much":
            raise exceptions.RefundTooLarge(available=available)
        case "not_a_charge":
            raise exceptions.NotACharge(f"Row {charge_id} is no charge.")
        case "key_conflict":
            raise exceptions.KeyOfAnother()
    return Refund(refund_id, refunded, outcome == "replayed")


class Grant(NamedTuple):
    """A grant; `usage_id` is its row in the journal, None when replayed."""

    id: int
    usage_id: int | None
    balance: int
    replayed: bool


def grant_credits(
    *,
    user_id: int,
    source: CreditGrant.Source,
    amount: int,
    key: str,
    expires_at: datetime | None = None,
    priority: int | None = None,
    details: Details | None = None,
    item_id: int | None = None,
    period_id: int | None = None,
) -> Grant:
    """Adds credits, once per `key` however often it is called. `item_id` and `period_id` are the
    rows of the subscription item and of its period that earned them. Raises IdempotencyConflict
    when the key belongs to another user, source or amount, LedgerError on an amount out of bounds
    or a source that only the ledger itself uses."""
    if source not in PRIORITIES:
        raise exceptions.LedgerError(f"Nobody grants {source!r} credits.")
    check_amount("A grant", amount, 1, MAX_AMOUNT)
    check_key(key)
    outcome, grant_id, usage_id, available = call_kernel(
        "credits_grant",
        owner=user_id,
        operation=OperationType.GRANT,
        grant_source=source,
        credits=amount,
        grant_key=key,
        burn_priority=PRIORITIES[source] if priority is None else priority,
        until=expires_at,
        extra=json.dumps(details or {}),
        of_item=item_id,
        of_period=period_id,
    )
    if outcome == "key_conflict":
        raise exceptions.IdempotencyConflict(f"Grant key {key!r} stands for something else.")
    return Grant(grant_id, usage_id, available, outcome == "replayed")


def set_grant_expiry(*, key: str, expires_at: datetime) -> bool:
    """Moves the end of the grant with this key, never to before its last use. An expiry that was
    posted is not undone. Returns whether anything changed."""
    (outcome,) = call_kernel("credits_set_expiry", grant_key=key, until=expires_at)
    return bool(outcome == "moved")


def sweep_holds(*, batch: int = 500) -> int:
    """Refunds every hold whose lease ran out (I6); returns how many. Safe beside other sweepers."""
    return _in_batches("credits_sweep", batch)


def expire_credits(*, batch: int = 500) -> int:
    """Posts every due expiry (I5); returns the number of accounts it touched."""
    return _in_batches("credits_expire_due", batch)


def _in_batches(function: str, batch: int) -> int:
    total, done = 0, batch
    while done == batch:
        (done,) = call_kernel(function, at_most=batch)
        total += done
    return total


def extend_holds(*, charge_ids: Sequence[int], seconds: float) -> None:
    """Lets open holds last `seconds` from now: their work is still going on (I6)."""
    lease = ledger_now() + timedelta(seconds=seconds)
    Hold.objects.filter(charge_id__in=charge_ids).update(lease_until=lease)


def is_held(*, charge_id: int) -> bool:
    """Whether the charge's work may still be going on."""
    return Hold.objects.filter(charge_id=charge_id).exists()
