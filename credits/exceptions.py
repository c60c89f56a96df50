"""What can go wrong in the ledger."""

import typing

from config.errors import DomainError, InvalidInput

#: What people read where a feature has no model.
NO_MODEL = "No model is offered at present."


class LedgerError(DomainError):
    """The ledger refused; nothing was changed."""


class InsufficientCredits(LedgerError):
    """The user has fewer credits than the operation takes."""

    status = 402
    code = "insufficient_credits"

    def __init__(self, *, required: int, available: int) -> None:
        needed = f"{required:,} credit{' is' if required == 1 else 's are'} needed"
        left = f"{available:,} {'is' if available == 1 else 'are'} left."
        super().__init__(f"{needed} and {left}", required=required, available=available)
        self.required = required
        self.available = available


class LimitReached(LedgerError):
    """The spend would pass a limit (I11): a `credits.limit_states.LimitState`. Nothing was
    charged."""

    status = 402
    code = "limit_reached"

    def __init__(self, *, required: int, limit: typing.Any) -> None:
        takes = f"This takes {required:,} credit{'s' if required != 1 else ''}"
        message = f"{takes}; {limit.sentence} Nothing was charged."
        which = {"scope": limit.applies_to, **limit.members}
        super().__init__(message, required=required, available=limit.left, limit=which)
        self.limit = limit


class CreditsBusy(LedgerError):
    """There are enough credits once other calls of the account have ended: theirs are held. Nothing
    was charged."""

    status = 429
    code = "busy"
    retry_seconds = 2

    def __init__(self) -> None:
        super().__init__(
            "Your credits are held by what is being made for you. Nothing was charged."
        )


class BadKey(LedgerError):
    """The API key was revoked or has ended, or may not use this model. Nothing was charged."""

    status = 401
    code = "invalid_api_key"

    def __init__(self) -> None:
        super().__init__("This API key is not valid for this call.")


class InputTooLong(InvalidInput):
    """More input than the model's price holds for. Nothing was charged."""

    path = ("messages",)

    def __init__(self) -> None:
        super().__init__("This is more text than the model may be given.")


class PriceChanged(LedgerError):
    """One unit now costs more credits than the caller agreed to."""

    status = 409
    code = "price_changed"

    def __init__(self, *, agreed: int, unit_cost: int) -> None:
        message = f"The price is now {unit_cost} credits; {agreed} were agreed to."
        super().__init__(message, agreed=agreed, unitCost=unit_cost)
        self.agreed = agreed
        self.unit_cost = unit_cost


class ModelNotOffered(InvalidInput):
    """The catalogue has no such model for the feature, or has retired it. Nothing was changed."""

    path = ("model",)

    def __init__(self, *, any_offered: bool = True) -> None:
        message = "Choose one of the models offered." if any_offered else NO_MODEL
        super().__init__(message)


class PlanRequired(LedgerError):
    """Only subscribers of `plan`, or of one that brings as much, may use this model. Nothing was
    charged."""

    status = 403
    code = "plan_required"

    def __init__(self, *, model: str, plan: str) -> None:
        message = f"{model} is part of the plan {plan}. Nothing was charged."
        super().__init__(message, plan=plan)


class AccountClosed(LedgerError):
    """The account was closed or banned after the request came in. Nothing was charged."""

    status = 403
    code = "account_closed"

    def __init__(self) -> None:
        super().__init__("This account is closed. Nothing was charged.")


class IdempotencyConflict(LedgerError):
    """The key was used before, for a different request (I7)."""

    status = 422
    code = "idempotency_conflict"


class KeyOfAnother(IdempotencyConflict):
    """The same, in a spend or refund."""

    def __init__(self) -> None:
        super().__init__("This idempotency key belongs to another request.")


class OtherPricing(LedgerError):
    """The model has another price by tokens than when the caller looked, or is priced by tokens now
    and was not, or the other way round. Nothing was charged."""

    status = 409
    code = "price_changed"

    def __init__(self, *, price_id: int | None = None) -> None:
        super().__init__("What this model costs has just changed. Nothing was charged.")
        if price_id:
            self.members["priceVersion"] = price_id


class ChargeHeld(LedgerError):
    """The charge's work is still going on; it can be refunded once that has ended (I6)."""

    status = 409
    code = "charge_held"
    retry_seconds = 2


class RefundTooLarge(LedgerError):
    """More would be returned than the charge took (I4)."""

    status = 409
    code = "refund_too_large"

    def __init__(self, *, available: int) -> None:
        message = f"At most {available} credits of this charge can still be refunded."
        super().__init__(message, available=available)
        self.available = available


class NotACharge(LedgerError):
    """The row is no charge: only charges can be settled or refunded."""

    status = 404
    code = "not_found"


class OwnAccount(LedgerError):
    """An admin may neither move credits of their own account nor approve that. Nothing was
    changed."""

    status = 403
    code = "own_account"

    def __init__(self, message: str = "") -> None:
        own = "This is your own account. Another admin has to change it."
        super().__init__(message or own)


class SecondAdminNeeded(LedgerError):
    """More would be moved than one admin, or a command that names none, may move in a day, and it
    cannot be asked for from here. Nothing was changed."""

    status = 403
    code = "second_admin_needed"
