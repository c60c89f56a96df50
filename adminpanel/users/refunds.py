"""Giving credits of a past charge back. The ledger's rules decide: never more than the charge took,
and nothing while its work goes on."""

from credits import audit
from credits.adjustments import who
from credits.approvals import Kind, asks
from credits.exceptions import NotACharge
from credits.ledger import Refund, refund_charge
from credits.models import UsageHistory, User
from credits.statement.history import Rows, statement, with_refunds


def charges() -> Rows:
    """All charges, each with what came back of it."""
    return with_refunds(statement(user_id=None)).filter(unit_cost__isnull=False)


@asks(Kind.REFUND, pin=lambda _, done: {"amount": done.credits})
def refund(
    *, actor: User, user_id: int, charge_id: int, amount: int | None, reason: str, key: str
) -> Refund:
    """Returns `amount` credits of a user's charge, or all that is left of it, once per `key`.

    Raises ApprovalPending, ChargeHeld, RefundTooLarge, NotACharge, OwnAccount, IdempotencyConflict,
    LedgerError.
    """
    if not UsageHistory.objects.filter(pk=charge_id, account_id=user_id).exists():
        raise NotACharge("The user has no such charge.")
    done = refund_charge(
        charge_id=charge_id,
        amount=amount,
        reason=reason.strip(),
        idempotency_key=key,
        details=who(actor),
    )
    if not done.replayed:
        audit.record(
            actor=actor,
            action="charge.refund",
            target=f"row {charge_id}",
            user_id=user_id,
            after={"refund": done.id, "credits": done.credits},
            reason=reason.strip(),
            credits=done.credits,
            usage_id=done.id,
        )
    return done
