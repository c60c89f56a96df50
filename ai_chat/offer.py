"""What a button offers: the price of the next message or images, and whether it can be paid."""

from dataclasses import dataclass, field

from credits.catalogue.models import all_offered
from credits.ledger import get_balance
from credits.models import AIModel

TEXT = "ai_text_chat"
IMAGE = "ai_image_generation"
MAX_IMAGES = 4


@dataclass(frozen=True)
class Choice:
    """A model to choose, and what one unit from it costs in credits. `plan` is the name of the plan
    that the user would need for it; empty for none."""

    id: str
    label: str
    multiplier: int
    cost: int
    plan: str


@dataclass(frozen=True)
class Offer:
    """`quantity` units at `unit_cost` credits from one of the `choices`, of which `available`
    credits are there. `model` is empty where none is offered; `plan` names the plan that the user
    would need."""

    model: str
    unit_cost: int
    quantity: int
    available: int
    plan: str = ""
    choices: list[Choice] = field(default_factory=list)

    @property
    def cost(self) -> int:
        return self.unit_cost * self.quantity

    @property
    def affordable(self) -> bool:
        return self.available >= self.cost

    @property
    def takes_orders(self) -> bool:
        """Whether the button does anything."""
        return self.affordable and bool(self.model) and not self.plan

    @property
    def token(self) -> str:
        """Changes whenever the button would look different: an unchanged one is not sent again."""
        state = "ok" if self.takes_orders else f"{self.available}{'p' * bool(self.plan)}"
        return f"{self.cost}x{self.quantity}.{state if self.model else 'none'}"


def choices(*, user_id: int) -> dict[str, list[Choice]]:
    """The models of each feature with today's price of each."""
    offered: dict[str, list[Choice]] = {TEXT: [], IMAGE: []}
    for model in all_offered(user_id=user_id):
        offered.setdefault(model.feature, []).append(_choice(model))
    return offered


def get_offer(*, user_id: int, model: str = "", feature: str = TEXT, quantity: int = 1) -> Offer:
    """The next message's price, or that of `quantity` images; a model that the user cannot choose
    is taken for the first one that can be chosen."""
    offered = choices(user_id=user_id)[feature]
    available = get_balance(user_id=user_id).remaining
    if not offered:
        return Offer(model="", unit_cost=0, quantity=quantity, available=available)
    chosen = min(offered, key=lambda choice: (bool(choice.plan), choice.id != model))
    return Offer(chosen.id, chosen.cost, quantity, available, chosen.plan, offered)


def _choice(model: AIModel) -> Choice:
    plan = "" if model.usable or not model.least_plan else model.least_plan.name
    return Choice(model.name, model.label, model.price_factor, model.cost, plan)
