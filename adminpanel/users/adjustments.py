"""Adjusting a balance: at once, or once a second admin has said yes (`credits.approvals`). The
ledger decides what is possible, and writes the audit."""

from django.conf import settings

from credits.adjustments import Adjustment, adjust_credits
from credits.approvals import Kind, asks, moved_alone
from credits.exceptions import LedgerError
from credits.models import User

#: The largest balance or change that an admin can set, in credits.
MAX_ADJUSTMENT = 1_000_000_000


class BalanceMoved(LedgerError):
    """The balance is not what was shown any more, so that setting it would do something else."""

    status = 409


def needs_approval(actor: User, change: int) -> bool:
    """Whether a second admin has to approve a change of so many credits."""
    return moved_alone(actor) + abs(change) > settings.ADJUSTMENT_APPROVAL_CREDITS


@asks(Kind.ADJUSTMENT, pin=lambda _, done: {"seen": done.balance - done.change})
def adjust(
    *,
    actor: User,
    user_id: int,
    reason: str,
    key: str,
    delta: int | None = None,
    target: int | None = None,
    seen: int | None = None,
) -> Adjustment:
    """Adds `delta` credits to a balance (negative: takes them away), or sets it to `target`. The
    same `key` does it once and answers with the first result. With `seen`, the balance that was
    shown, nothing is set from another one.

    Raises ApprovalPending, InsufficientCredits, BalanceMoved, OwnAccount, IdempotencyConflict,
    LedgerError.
    """
    done = adjust_credits(
        user_id=user_id, delta=delta, target=target, reason=reason, actor=actor, idempotency_key=key
    )
    before = done.balance - done.change
    if target is not None and not done.replayed and seen not in {None, before}:
        raise BalanceMoved(f"The balance has changed meanwhile: it is {before:,} now. Look again.")
    return done
