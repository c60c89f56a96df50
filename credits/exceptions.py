"""What can go wrong in the ledger; the docstring is the meaning."""


class LedgerError(Exception):
    """The ledger refused; nothing was changed."""


class InsufficientCredits(LedgerError):
    """The user has fewer credits than the operation takes."""

    def __init__(self, *, required: int, available: int) -> None:
        needed = f"{required:,} credit{' is' if required == 1 else 's are'} needed"
        super().__init__(f"{needed} and {available:,} {'is' if available == 1 else 'are'} left.")
        self.required = required
        self.available = available


class PriceChanged(LedgerError):
    """One unit now costs more credits than the caller agreed to."""

    def __init__(self, *, agreed: int, unit_cost: int) -> None:
        super().__init__(f"The price is now {unit_cost} credits; {agreed} were agreed to.")
        self.agreed = agreed
        self.unit_cost = unit_cost


class IdempotencyConflict(LedgerError):
    """The key was used before, for a different request (I7)."""


class ChargeHeld(LedgerError):
    """The charge's work is still going on; it can be refunded once that has ended (I6)."""


class RefundTooLarge(LedgerError):
    """More would be returned than the charge took (I4)."""

    def __init__(self, *, available: int) -> None:
        super().__init__(f"At most {available} credits of this charge can still be refunded.")
        self.available = available


class NotACharge(LedgerError):
    """The row is no charge: only charges can be settled or refunded."""
