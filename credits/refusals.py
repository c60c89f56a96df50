"""Why a function of the kernel has charged nothing: its outcomes as the errors of
`credits.exceptions`."""

from collections.abc import Callable, Mapping
from typing import Any

from credits import exceptions
from credits.limit_states import limit_state


class Refused(Exception):
    """A function around `credits_deduct` has not charged, for a reason of its own; also the cause
    of other refusals, with the function's `row`."""

    def __init__(self, row: Any) -> None:
        super().__init__(row.outcome)
        self.row = row


#: Outcomes that say all by themselves.
PLAIN_REFUSALS: dict[str, Callable[[], Exception]] = {
    "busy": exceptions.CreditsBusy,
    "not_offered": exceptions.ModelNotOffered,
    "too_long": exceptions.InputTooLong,
    "closed": exceptions.AccountClosed,
    "bad_key": exceptions.BadKey,
    "key_conflict": exceptions.KeyOfAnother,
    "by_tokens": exceptions.OtherPricing,
    "by_message": exceptions.OtherPricing,
}


def refusal_of(row: Any, arguments: Mapping[str, Any]) -> Exception:
    """The error for the outcome of a function that charges, or says what it would charge; for one
    that is none of the ledger's it is Refused. `arguments` are what the function was called
    with."""
    agreed = arguments.get("agreed_price")
    price_id = getattr(row, "price_id", None)  # Of functions that know prices by tokens.
    match row.outcome:
        case "insufficient":
            return exceptions.InsufficientCredits(required=row.total, available=row.available)
        case "limit_reached":
            if limit := limit_state(row.limit_id):
                return exceptions.LimitReached(required=row.total, limit=limit)
            return exceptions.CreditsBusy()  # It was removed meanwhile: another try may do.
        case "price_changed" if price_id and agreed not in {None, price_id}:
            return exceptions.OtherPricing(price_id=price_id)
        case "price_changed":
            most = arguments.get("most" if price_id else "max_unit_cost") or 0
            # A quote has no price of a unit.
            unit_cost = getattr(row, "price", None) or row.total
            return exceptions.PriceChanged(agreed=most, unit_cost=unit_cost)
    plain = PLAIN_REFUSALS.get(row.outcome)
    return plain() if plain else Refused(row)
