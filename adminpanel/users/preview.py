"""What an admin is shown before credits move, and what went wrong in plain words."""

from dataclasses import dataclass

from adminpanel.users.adjustments import needs_approval
from credits.exceptions import (
    ChargeHeld,
    IdempotencyConflict,
    InsufficientCredits,
    LedgerError,
    RefundTooLarge,
)


@dataclass(frozen=True)
class Preview:
    """A balance before and after, in credits."""

    before: int
    change: int

    @property
    def after(self) -> int:
        return self.before + self.change

    @property
    def signed(self) -> str:
        sign = "+" if self.change > 0 else "−" if self.change else ""
        return f"{sign}{abs(self.change):,}"

    @property
    def needs_approval(self) -> bool:
        return needs_approval(self.change)


def count(credits: int) -> str:
    return f"{credits:,} credit{'' if credits == 1 else 's'}"


def error_text(error: LedgerError, *, held: int = 0) -> str:
    """The error as a sentence for the admin who wanted it; `held` credits are in flight."""
    match error:
        case InsufficientCredits():
            in_flight = f" {count(held)} more are held by work in flight." if held else ""
            return f"At most {count(error.available)} can be taken away.{in_flight}"
        case ChargeHeld():
            return "The work it pays for is still going on. Wait until it has ended."
        case RefundTooLarge(available=0):
            return "All of this charge has been returned already."
        case RefundTooLarge():
            return f"At most {count(error.available)} of this charge can still be returned."
        case IdempotencyConflict():
            return (
                "This form was used before, for something else. Nothing was done now: "
                "look at the preview, and confirm if this is what you want."
            )
    return str(error)
