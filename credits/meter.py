"""What the meter in the top bar shows."""

from dataclasses import dataclass
from datetime import datetime

from credits.ledger import Balance, get_balance
from credits.pricing import get_feature_cost

#: Below this share of the grants that still hold something, credits run low.
LOW_SHARE = 0.1


@dataclass(frozen=True)
class Meter:
    """Credits of one user, drawn. `left` and `open` are widths in percent of the whole bar."""

    remaining: int
    held: int
    expiring: int | None
    expires_at: datetime | None
    left: float
    open: float
    low: bool
    version: str


def draw(balance: Balance, *, text_cost: int) -> Meter:
    """The meter for a balance; `text_cost` (credits per message) decides what is too little."""
    whole = max(balance.granted, balance.remaining + balance.held, 1)
    low = balance.remaining < max(text_cost, whole * LOW_SHARE)
    return Meter(
        remaining=balance.remaining,
        held=balance.held,
        expiring=balance.expiring,
        expires_at=balance.expires_at,
        left=round(100 * balance.remaining / whole, 1),
        open=round(100 * balance.held / whole, 1),
        low=low,
        version=f"{balance.version}.{text_cost}",
    )


def get_meter(*, user_id: int) -> Meter:
    return draw(get_balance(user_id=user_id), text_cost=get_feature_cost("ai_text_chat"))
