"""Giving credits of a past charge back. The ledger's rules decide: never more than the charge took,
and nothing while its work goes on."""

from django.db import transaction

from credits import audit
from credits.ledger import Refund, refund_charge
from credits.models import UsageHistory, User
from credits.statement.history import Rows, statement, with_refunds


def charges() -> Rows:
    """All charges, each with what came back of it."""
    return with_refunds(statement(user_id=None)).filter(unit_cost__isnull=False)


@transaction.atomic
def refund(
    *, actor: User, charge: UsageHistory, amount: int | None, reason: str, key: str
) -> Refund:
    """Returns `amount` credits of a charge, or all that is left of it, once per `key`.

    Raises ChargeHeld, RefundTooLarge, IdempotencyConflict, LedgerError.
    """
    done = refund_charge(
        charge_id=charge.pk,
        amount=amount,
        reason=reason.strip(),
        idempotency_key=key,
        details={"actor": str(actor)},
    )
    if not done.replayed:
        audit.record(
            actor=actor,
            action="charge.refund",
            target=f"row {charge.pk}",
            user_id=charge.account_id,
            after={"refund": done.id, "credits": done.credits},
            reason=reason.strip(),
        )
    return done
