"""Adjusting a balance: at once, or, above ADJUSTMENT_APPROVAL_CREDITS, once a second admin has said
yes. The ledger decides what is possible; each outcome has its audit row in its own transaction."""

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from adminpanel.models import AdjustmentRequest
from credits import audit
from credits.adjustments import Adjustment, adjust_credits
from credits.exceptions import IdempotencyConflict, LedgerError
from credits.models import User

#: The largest balance or change that an admin can set, in credits.
MAX_ADJUSTMENT = 1_000_000_000


class BalanceMoved(LedgerError):
    """The balance is not what was shown any more, so that setting it would do something else."""


class AlreadyDecided(LedgerError):
    """Somebody has approved or declined this request; a decision is final."""


class NotApproved(LedgerError):
    """It takes a second admin to approve a request, and a balance that is not there already."""


def needs_approval(change: int) -> bool:
    return abs(change) > settings.ADJUSTMENT_APPROVAL_CREDITS


@transaction.atomic
def adjust(
    *,
    actor: User,
    user_id: int,
    reason: str,
    key: str,
    delta: int | None = None,
    target: int | None = None,
    seen: int | None = None,
) -> Adjustment | AdjustmentRequest:
    """Adds `delta` credits to a balance (negative: takes them away), or sets it to `target`; asks a
    second admin to when the change is large. The same `key` does it once and answers with the first
    result. With `seen`, the balance that was shown, nothing is set from another one.

    Raises InsufficientCredits, BalanceMoved, IdempotencyConflict, LedgerError.
    """
    wanted = AdjustmentRequest(
        account_id=user_id,
        delta=delta,
        target=target,
        reason=reason.strip(),
        asked_by=actor,
        key=key,
    )
    earlier = _earlier(wanted)
    if earlier:
        return earlier
    with transaction.atomic():
        done = _apply(wanted, key)
        if done.replayed:
            return done
        _check_seen(wanted, done, seen)
        large = needs_approval(done.change)
        # Only the ledger knows, under its lock, how large a change is; what it did is undone.
        transaction.set_rollback(large)
    if large:
        wanted.balance_then = done.balance - done.change
        return _ask(wanted)
    if done.usage_id:
        before = done.balance - done.change
        _record(actor, "make", wanted, f"row {done.usage_id}", before=before, after=done.balance)
    return done


def _apply(wanted: AdjustmentRequest, key: str, **details: object) -> Adjustment:
    return adjust_credits(
        user_id=wanted.account_id,
        delta=wanted.delta,
        target=wanted.target,
        reason=wanted.reason,
        actor=str(wanted.asked_by),
        idempotency_key=key,
        details=details,
    )


def _check_seen(wanted: AdjustmentRequest, done: Adjustment, seen: int | None) -> None:
    before = done.balance - done.change
    if wanted.target is not None and seen not in {None, before}:
        raise BalanceMoved(f"The balance has changed meanwhile: it is {before:,} now. Look again.")


def _earlier(wanted: AdjustmentRequest) -> AdjustmentRequest | None:
    """The request with its key. Raises IdempotencyConflict when that is for another change."""
    requests = AdjustmentRequest.objects.filter(account_id=wanted.account_id, key=wanted.key)
    earlier = requests.first()
    if earlier and _request_of(earlier) != _request_of(wanted):
        raise IdempotencyConflict("This idempotency key belongs to another adjustment.")
    return earlier


def _request_of(wanted: AdjustmentRequest) -> tuple[int | None, int | None, str]:
    """What a key stands for, as in `adjust_credits`."""
    return wanted.delta, wanted.target, wanted.reason


def _ask(wanted: AdjustmentRequest) -> AdjustmentRequest:
    try:
        with transaction.atomic():
            wanted.save(force_insert=True)
    except IntegrityError:
        earlier = _earlier(wanted)
        if earlier is None:
            raise
        return earlier  # Twice at the same moment: the other one asked.
    before = wanted.balance_then
    after = before + wanted.change_of(before)
    _record(wanted.asked_by, "ask", wanted, f"request {wanted.pk}", before=before, after=after)
    return wanted


@transaction.atomic
def approve(*, actor: User, request_id: int, seen: int | None = None) -> Adjustment:
    """Does what another admin asked for, once. With `seen`, a balance is not set from another one
    than `actor` was shown.

    Raises AlreadyDecided, NotApproved, BalanceMoved, InsufficientCredits.
    """
    asked = _pending(request_id)
    if asked.asked_by_id == actor.pk:
        raise NotApproved("You asked for this yourself. It takes a second admin to approve it.")
    key = f"approval:{asked.pk}"
    done = _apply(asked, key, approvedBy=str(actor), request=asked.pk)
    if done.usage_id is None:
        raise NotApproved(f"The balance is {done.balance:,} already. Decline this.")
    _check_seen(asked, done, seen)
    _decide(asked, actor, AdjustmentRequest.State.APPROVED, done.usage_id)
    before = done.balance - done.change
    _record(actor, "approve", asked, f"row {done.usage_id}", before=before, after=done.balance)
    return done


@transaction.atomic
def decline(*, actor: User, request_id: int) -> AdjustmentRequest:
    """Nothing will happen; who asked may say so too. Raises AlreadyDecided."""
    asked = _pending(request_id)
    _decide(asked, actor, AdjustmentRequest.State.DECLINED, None)
    _record(actor, "decline", asked, f"request {asked.pk}")
    return asked


def _pending(request_id: int) -> AdjustmentRequest:
    """The request, locked before any balance (docs/ledger.md, Locks)."""
    rows = AdjustmentRequest.objects.select_related("asked_by", "decided_by")
    asked = rows.select_for_update(of=("self",)).get(pk=request_id)
    if not asked.is_pending:
        raise AlreadyDecided(f"{asked.decided_by} has {asked.state} this already.")
    return asked


def _decide(asked: AdjustmentRequest, actor: User, state: str, usage_id: int | None) -> None:
    asked.state = state
    asked.decided_by = actor
    asked.decided_at = Now()
    asked.usage_id = usage_id
    asked.save(update_fields=["state", "decided_by", "decided_at", "usage"])


def _record(actor: User, what: str, asked: AdjustmentRequest, target: str, **balances: int) -> None:
    """`balances` are those `before` and `after`."""
    action, user_id, reason = f"adjustment.{what}", asked.account_id, asked.reason
    audit.record(
        actor=actor, action=action, target=target, user_id=user_id, reason=reason, **balances
    )
