"""What a change does, in numbers, before it is made. Of prices: last week's use at the new ones,
and who could still pay for one unit; of a price by tokens: what last week's uses would have cost,
and the margin; of a plan: what depends on it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from adminpanel.users.search import subscribers
from credits.catalogue.models import price_factors
from credits.features import FEATURES, Feature
from credits.models import AIModel, TokenPrice
from credits.reports.models import percent_of
from credits.reports.plans import Granted, count_waiting, granted_under
from credits.reports.prices import UsesAt, charged_per_unit, count_payers, units_used, uses_at

DAYS = 7


@dataclass(frozen=True)
class Effect:
    """A feature at two prices. `uses` are units in the last week, `weight` counts each as often as
    its model costs the price; `payers_…` are active users whose balance is enough for one unit of
    the cheapest model, of `users` in all."""

    feature: Feature
    before: int
    after: int
    uses: int
    weight: int
    payers_before: int
    payers_after: int
    users: int
    cheapest: int

    @property
    def least(self) -> int:
        """The balance from which one can pay, in credits."""
        return self.after * self.cheapest

    @property
    def per_day_before(self) -> int:
        """Credits a day at last week's use."""
        return round(self.weight * self.before / DAYS)

    @property
    def per_day_after(self) -> int:
        return round(self.weight * self.after / DAYS)

    @property
    def payers_change(self) -> str:
        """How many more or fewer users could pay, with its sign; empty for none."""
        change = self.payers_after - self.payers_before
        return f"{'+' if change > 0 else '−'}{abs(change):,}" if change else ""


def effects(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, Effect]:
    """Of every feature, from the prices that hold to those in `after` (others stay)."""
    wanted = {key: after.get(key, cost) for key, cost in before.items()}
    weights = price_factors()
    cheapest = {key: min(models.values(), default=1) for key, models in weights.items()}
    weighs = any(weight != 1 for models in weights.values() for weight in models.values())
    used = units_used(days=DAYS, by_model=weighs)
    amounts = [cost * cheapest[key] for costs in (before, wanted) for key, cost in costs.items()]
    users, payers = count_payers(amounts)
    changes = {}
    for key, feature in FEATURES.items():
        uses = used.get(feature.operation_type, {})
        changes[key] = Effect(
            feature=feature,
            before=before[key],
            after=wanted[key],
            uses=sum(uses.values()),
            # A model that is offered no more counts once.
            weight=sum(units * weights[key].get(model, 1) for model, units in uses.items()),
            payers_before=payers[before[key] * cheapest[key]],
            payers_after=payers[wanted[key] * cheapest[key]],
            users=users,
            cheapest=cheapest[key],
        )
    return changes


class TokenEffect(NamedTuple):
    """Last week's uses of a model at their own prices and at another one (`at`; pico-credits), and
    what its charges per unit took in the same days: how many tokens those used, nobody knows."""

    at: UsesAt
    charges_per_unit: int
    credits_per_unit: int

    @property
    def margin(self) -> int | None:
        """What was collected less what the provider asks, of the uses of which that is known."""
        asked = self.at.provider_cost
        return None if asked is None else self.at.known_collected - asked

    @property
    def margin_percent(self) -> float | None:
        return percent_of(self.margin, self.at.known_collected)

    @property
    def new_margin(self) -> int | None:
        """The same of all uses at the new price, if it says what the provider asks."""
        asked = self.at.new_provider_cost
        return None if asked is None else self.at.new_cost - asked

    @property
    def new_margin_percent(self) -> float | None:
        return percent_of(self.new_margin, self.at.new_cost)


def token_effect(model: AIModel, price: TokenPrice | None, *, per_unit: int) -> TokenEffect:
    """What this price would have done to last week's uses; None: so many credits each."""
    each = per_unit if price is None else None
    at = uses_at(model, price, each=each, days=DAYS)
    return TokenEffect(at, *charged_per_unit(model, days=DAYS))


class PlanUse(NamedTuple):
    """What depends on a plan: people who subscribe to it, what was granted under it, and the
    subscriptions that have paid and wait for it."""

    clerk_id: str
    subscribers: int
    granted: Granted
    waiting: int


def plan_use(clerk_id: str) -> PlanUse:
    people = subscribers([clerk_id])[clerk_id]
    return PlanUse(clerk_id, people, granted_under(clerk_id), count_waiting(clerk_id))
