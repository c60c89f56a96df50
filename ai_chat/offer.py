"""What a button offers: the price of the next message or images, and whether it can be paid."""

from dataclasses import dataclass, field
from functools import cached_property

from credits.amounts import PICO
from credits.catalogue.models import offered_models
from credits.features import TEXT
from credits.ledger import get_balance
from credits.limit_states import LimitState, limit_state
from credits.models import AIModel

MAX_IMAGES = 4


@dataclass(frozen=True)
class Offer:
    """`quantity` units from one of the `models` to choose from, and the credits that are
    `available`. `model` is None where none is offered. `room` are the pico-credits that limits
    leave (None: there are none), and `limit_id` is the one that leaves least."""

    model: AIModel | None
    quantity: int
    available: int
    models: list[AIModel] = field(default_factory=list)
    room: int | None = None
    limit_id: int | None = None

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
    def is_limited(self) -> bool:
        """Whether a limit keeps its user from it."""
        return self.room is not None and self.room < self.cost * PICO

    @cached_property
    def limit(self) -> LimitState | None:
        """That limit; asked for only by a button that is off."""
        return limit_state(self.limit_id)

    @property
    def takes_orders(self) -> bool:
        """Whether the button does anything."""
        return self.affordable and bool(self.model) and not self.plan and not self.is_limited

    @property
    def token(self) -> str:
        """Changes whenever the button, or the sizes beside it, would look different: what is
        unchanged is not sent again."""
        if not self.model:
            return "none"
        state = "ok" if self.takes_orders else f"{self.available}{'p' * bool(self.plan)}"
        if self.is_limited:
            state += f"l{self.limit_id}-{self.room}"
        return f"{self.cost}x{self.quantity}.{state}.{','.join(self.model.sizes)}"


def get_offer(*, user_id: int, model: str = "", feature: str = TEXT, quantity: int = 1) -> Offer:
    """The next message's price, or that of `quantity` images; a model that the user cannot choose
    is taken for the first one that can be chosen."""
    models = offered_models(feature, user_id=user_id)
    chosen = min(
        models, key=lambda each: (bool(each.plan_needed), each.name != model), default=None
    )
    balance = get_balance(user_id=user_id)
    return Offer(chosen, quantity, balance.remaining, models, balance.room, balance.limit_id)
