"""Adjusting a balance: at once, or, above ADJUSTMENT_APPROVAL_CREDITS, once a second admin has said
yes. The ledger decides what is possible; each outcome has its audit row in its own transaction."""

from typing import NamedTuple

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from adminpanel.models import AdjustmentRequest
from credits import audit
from credits.exceptions import IdempotencyConflict, LedgerError
from credits.ledger import Adjustment, adjust_credits
from credits.models import User

#: The largest balance or change that an admin can set, in credits.
MAX_ADJUSTMENT = 1_000_000_000


class BalanceMoved(LedgerError):
    """The balance is not what was shown any more, so that setting it would do something else."""

    def __init__(self, balance: int) -> None:
        super().__init__(f"The balance has changed meanwhile: it is {balance:,} now. Look again.")
        self.balance = balance


class NothingToChange(LedgerError):
    """The balance is there already."""


class AlreadyDecided(LedgerError):
    """Somebody has approved or declined this request; a decision is final."""

    def __init__(self, asked: AdjustmentRequest) -> None:
        super().__init__(f"{asked.decided_by} has {asked.state} this already.")
        self.asked = asked


class OwnRequest(LedgerError):
    """Who asked cannot approve: it takes a second admin."""

    def __init__(self) -> None:
        super().__init__("You asked for this yourself. It takes a second admin to approve it.")


class Change(NamedTuple):
    """What is to happen to a balance: `delta` credits are added (negative: taken away), or it is
    set to `target`; one of them."""

    delta: int | None = None
    target: int | None = None

    def of(self, balance: int) -> int:
        """The signed change of such a balance, in credits."""
        return (self.target or 0) - balance if self.delta is None else self.delta


class _Wanted(NamedTuple):
    """An adjustment as its `actor` wants it."""

    actor: User
    user_id: int
    change: Change
    reason: str
    key: str


class _TooLarge(Exception):
    """Takes the adjustment back: it needs a second admin."""


def needs_approval(change: int) -> bool:
    return abs(change) > settings.ADJUSTMENT_APPROVAL_CREDITS


@transaction.atomic
def adjust(
    *,
    actor: User,
    user_id: int,
    change: Change,
    reason: str,
    key: str,
    seen: int | None = None,
) -> Adjustment | AdjustmentRequest:
    """Adjusts a balance, or asks a second admin to when the change is large. The same `key` does it
    once and answers with the first result. With `seen`, the balance that was shown, nothing is set
    from another one.

    Raises InsufficientCredits, BalanceMoved, IdempotencyConflict, LedgerError.
    """
    earlier = _asked(user_id, key).first()
    if earlier:
        return _same(earlier, change)
    wanted = _Wanted(actor, user_id, change, reason.strip(), key)
    try:
        return _adjust_now(wanted, seen)
    except _TooLarge as taken_back:
        return _ask(wanted, *taken_back.args)


@transaction.atomic
def _adjust_now(wanted: _Wanted, seen: int | None) -> Adjustment:
    done = _apply(wanted)
    if done.replayed:
        return done
    before = done.balance - done.change
    if seen is not None and wanted.change.target is not None and before != seen:
        raise BalanceMoved(before)
    if needs_approval(done.change):
        # Only the ledger knows, under its lock, how large a change is; what it did is undone.
        raise _TooLarge(before)
    if done.usage_id:
        _record(wanted.actor, "adjustment.make", wanted, done)
    return done


def _apply(wanted: _Wanted, **details: object) -> Adjustment:
    return adjust_credits(
        user_id=wanted.user_id,
        delta=wanted.change.delta,
        target=wanted.change.target,
        reason=wanted.reason,
        actor=str(wanted.actor),
        idempotency_key=wanted.key,
        details=details,
    )


def _asked(user_id: int, key: str) -> QuerySet[AdjustmentRequest]:
    return AdjustmentRequest.objects.filter(account_id=user_id, key=key)


def _same(earlier: AdjustmentRequest, change: Change) -> AdjustmentRequest:
    if (earlier.delta, earlier.target) != tuple(change):
        raise IdempotencyConflict("This idempotency key belongs to another adjustment.")
    return earlier


def _ask(wanted: _Wanted, balance: int) -> AdjustmentRequest:
    change = wanted.change
    try:
        with transaction.atomic():
            asked = AdjustmentRequest.objects.create(
                account_id=wanted.user_id,
                delta=change.delta,
                target=change.target,
                balance_then=balance,
                reason=wanted.reason,
                asked_by=wanted.actor,
                key=wanted.key,
            )
    except IntegrityError:
        # Twice at the same moment: the other one asked.
        return _same(_asked(wanted.user_id, wanted.key).get(), change)
    audit.record(
        actor=wanted.actor,
        action="adjustment.ask",
        target=f"request {asked.pk}",
        user_id=wanted.user_id,
        before=balance,
        after=balance + change.of(balance),
        reason=asked.reason,
    )
    return asked


@transaction.atomic
def approve(*, actor: User, request_id: int, seen: int | None = None) -> Adjustment:
    """Does what another admin asked for, once. With `seen`, a balance is not set from another one
    than `actor` was shown.

    Raises AlreadyDecided, OwnRequest, NothingToChange, BalanceMoved, InsufficientCredits.
    """
    asked = _pending(request_id)
    if asked.asked_by_id == actor.pk:
        raise OwnRequest
    change, key = Change(asked.delta, asked.target), f"approval:{asked.pk}"
    wanted = _Wanted(asked.asked_by, asked.account_id, change, asked.reason, key)
    done = _apply(wanted, approvedBy=str(actor), request=asked.pk)
    if done.usage_id is None:
        raise NothingToChange(f"The balance is {done.balance:,} already. Decline this.")
    before = done.balance - done.change
    if seen is not None and asked.target is not None and before != seen:
        raise BalanceMoved(before)
    _decide(asked, actor, AdjustmentRequest.State.APPROVED, done.usage_id)
    _record(actor, "adjustment.approve", wanted, done)
    return done


@transaction.atomic
def decline(*, actor: User, request_id: int) -> AdjustmentRequest:
    """Nothing will happen; who asked may say so too. Raises AlreadyDecided."""
    asked = _pending(request_id)
    _decide(asked, actor, AdjustmentRequest.State.DECLINED, None)
    audit.record(
        actor=actor,
        action="adjustment.decline",
        target=f"request {asked.pk}",
        user_id=asked.account_id,
        reason=asked.reason,
    )
    return asked


def _pending(request_id: int) -> AdjustmentRequest:
    """The request, locked before any balance (docs/ledger.md, Locks)."""
    rows = AdjustmentRequest.objects.select_related("asked_by", "decided_by")
    asked = rows.select_for_update(of=("self",)).get(pk=request_id)
    if not asked.is_pending:
        raise AlreadyDecided(asked)
    return asked


def _decide(asked: AdjustmentRequest, actor: User, state: str, usage_id: int | None) -> None:
    asked.state = state
    asked.decided_by = actor
    asked.decided_at = Now()
    asked.usage_id = usage_id
    asked.save(update_fields=["state", "decided_by", "decided_at", "usage"])


def _record(actor: User, action: str, wanted: _Wanted, done: Adjustment) -> None:
    audit.record(
        actor=actor,
        action=action,
        target=f"row {done.usage_id}",
        user_id=wanted.user_id,
        before=done.balance - done.change,
        after=done.balance,
        reason=wanted.reason,
    )
