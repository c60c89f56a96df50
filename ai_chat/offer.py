"""What a button offers: the price of the next message or images, and whether it can be paid."""

from dataclasses import dataclass

from credits.catalogue.models import cost_of, offered_models
from credits.ledger import get_balance
from credits.pricing import get_feature_costs

TEXT = "ai_text_chat"
IMAGE = "ai_image_generation"
MAX_IMAGES = 4


@dataclass(frozen=True)
class Offer:
    """`quantity` units at `unit_cost` credits from one model, of which `available` are there."""

    model: str
    unit_cost: int
    quantity: int
    available: int

    @property
    def cost(self) -> int:
        return self.unit_cost * self.quantity

    @property
    def affordable(self) -> bool:
        return self.available >= self.cost

    @property
    def token(self) -> str:
        """Changes whenever the button would look different: an unchanged one is not sent again."""
        return f"{self.cost}x{self.quantity}.{'ok' if self.affordable else self.available}"


@dataclass(frozen=True)
class Choice:
    """A model to choose, and what one unit from it costs in credits."""

    id: str
    label: str
    multiplier: int
    cost: int


def choices(feature: str) -> list[Choice]:
    """The models of a feature with today's price of each."""
    costs = get_feature_costs()
    return [
        Choice(model.name, model.label, model.price_factor, cost_of(model, costs))
        for model in offered_models(feature)
    ]


def get_offer(*, user_id: int, model: str = "", feature: str = TEXT, quantity: int = 1) -> Offer:
    """The next message's price, or that of `quantity` images; a model that is not offered is taken
    for the first one."""
    offered = choices(feature)
    chosen = next((choice for choice in offered if choice.id == model), offered[0])
    return Offer(
        model=chosen.id,
        unit_cost=chosen.cost,
        quantity=quantity,
        available=get_balance(user_id=user_id).remaining,
    )
