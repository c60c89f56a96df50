"""Giving credits of a past charge back. The ledger's rules decide: never more than the charge took,
and nothing while its work goes on."""

from dataclasses import dataclass

from django.db import transaction

from credits import audit
from credits.exceptions import ChargeHeld, RefundTooLarge
from credits.ledger import Refund, refund_charge
from credits.models import UsageHistory, User
from credits.statement.history import Rows, statement
from credits.statement.wording import note_of, what_of


@dataclass(frozen=True)
class Refundable:
    """A charge as it stands: what came back already, and what still can, in credits."""

    row: UsageHistory
    refunds: list[UsageHistory]
    held: bool

    @property
    def what(self) -> str:
        return what_of(self.row)

    @property
    def note(self) -> str:
        return note_of(self.row)

    @property
    def returned(self) -> int:
        return -sum(refund.credits_used for refund in self.refunds)

    @property
    def left(self) -> int:
        return self.row.credits_used - self.returned


def charges() -> Rows:
    return statement(user_id=None).filter(unit_cost__isnull=False).select_related("user")


def get_refundable(row: UsageHistory) -> Refundable:
    """`row` is one of `charges()`."""
    refunds = list(UsageHistory.objects.filter(refund_of=row).order_by("id"))
    held: bool = row.is_held  # type: ignore[attr-defined]
    return Refundable(row, refunds, held)


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
            before=None,
            after={"refund": done.id, "credits": done.credits},
            reason=reason.strip(),
        )
    return done


def check(charge: Refundable, amount: int) -> None:
    """Early word on whether so much can come back; the ledger decides when it is done.

    Raises ChargeHeld, RefundTooLarge."""
    if charge.held:
        raise ChargeHeld("The charge is still in flight.")
    if not 1 <= amount <= charge.left:
        raise RefundTooLarge(available=charge.left)
