"""What a button offers: the price of the next message or images, and whether it can be paid."""

from dataclasses import dataclass, field

from credits.catalogue.models import offered_models
from credits.features import TEXT
from credits.ledger import get_balance
from credits.models import AIModel

MAX_IMAGES = 4


@dataclass(frozen=True)
class Offer:
    """`quantity` units from one of the `models` to choose from, and the credits that are
    `available`. `model` is None where none is offered."""

    model: AIModel | None
    quantity: int
    available: int
    models: list[AIModel] = field(default_factory=list)

    @property
    def cost(self) -> int:
        """Credits; 0 where tokens have a price."""
        return (self.model.cost or 0) * self.quantity if self.model else 0

    @property
    def plan(self) -> str:
        """The name of the plan that the user lacks for it."""
        return self.model.plan_needed if self.model else ""

    @property
    def affordable(self) -> bool:
        return self.available >= self.cost

    @property
    def takes_orders(self) -> bool:
        """Whether the button does anything."""
        return self.affordable and bool(self.model) and not self.plan

    @property
    def token(self) -> str:
        """Changes whenever the button, or the sizes beside it, would look different: what is
        unchanged is not sent again."""
        if not self.model:
            return "none"
        state = "ok" if self.takes_orders else f"{self.available}{'p' * bool(self.plan)}"
        return f"{self.cost}x{self.quantity}.{state}.{','.join(self.model.sizes)}"


def get_offer(*, user_id: int, model: str = "", feature: str = TEXT, quantity: int = 1) -> Offer:
    """The next message's price, or that of `quantity` images; a model that the user cannot choose
    is taken for the first one that can be chosen."""
    models = offered_models(feature, user_id=user_id)
    chosen = min(
        models, key=lambda each: (bool(each.plan_needed), each.name != model), default=None
    )
    return Offer(chosen, quantity, get_balance(user_id=user_id).remaining, models)
