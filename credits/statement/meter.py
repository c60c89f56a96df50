"""What the meter in the top bar shows."""

from dataclasses import dataclass
from datetime import datetime

from credits.amounts import as_words
from credits.features import TEXT
from credits.ledger import Balance, get_balance
from credits.pricing import get_feature_cost

#: Below this share of the grants that still hold something, or so many messages, credits run low.
LOW_SHARE = 0.1
LOW_MESSAGES = 3


@dataclass(frozen=True)
class Meter:
    """Credits of one user, drawn. `left` and `open` are widths in percent of the whole bar;
    `limited` are the credits that can be spent, where limits leave less than there are; `ahead` is
    what is paid ahead, in words, empty for nothing; `version` names the user and everything that
    decides what is drawn."""

    remaining: int
    held: int
    expiring: int | None
    expires_at: datetime | None
    left: float
    open: float
    low: bool
    version: str
    limited: int | None
    ahead: str = ""


def get_meter(*, user_id: int) -> Meter:
    """The meter as it stands, after expired credits have left."""
    return draw(user_id, get_balance(user_id=user_id), text_cost=get_feature_cost(TEXT))


def draw(user_id: int, balance: Balance, *, text_cost: int) -> Meter:
    """The meter for a balance; `text_cost` (credits per message) decides what is too little."""
    whole = max(balance.granted, balance.remaining + balance.held, 1)
    return Meter(
        remaining=balance.remaining,
        held=balance.held,
        expiring=balance.expiring,
        expires_at=balance.expires_at,
        left=round(100 * balance.remaining / whole, 1),
        open=round(100 * balance.held / whole, 1),
        low=balance.remaining < max(LOW_MESSAGES * text_cost, whole * LOW_SHARE),
        version=f"{user_id}.{balance.version}.{text_cost}",
        limited=balance.spendable if balance.spendable < balance.remaining else None,
        ahead=as_words(balance.ahead) if balance.ahead else "",
    )
