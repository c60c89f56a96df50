"""What the composer's button offers: the price of the next message, and whether it can be paid."""

from dataclasses import dataclass

from ai_chat.turns import FEATURE
from credits.ledger import get_balance
from credits.pricing import get_feature_cost


@dataclass(frozen=True)
class Offer:
    """`cost` credits for one message, of which `available` are there."""

    cost: int
    available: int

    @property
    def affordable(self) -> bool:
        return self.available >= self.cost

    @property
    def token(self) -> str:
        """Changes whenever the button would look different: an unchanged one is not sent again."""
        return f"{self.cost}.{'ok' if self.affordable else self.available}"


def get_offer(*, user_id: int) -> Offer:
    return Offer(cost=get_feature_cost(FEATURE), available=get_balance(user_id=user_id).remaining)
