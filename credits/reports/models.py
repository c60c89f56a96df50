"""What each model brought in and cost: credits, tokens, what its provider asks and what is left of
it. Amounts that end in `_pico` are pico-credits, the others whole credits."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from typing import NamedTuple

from credits.features import Kind
from credits.models import Use
from credits.models.catalogue import model_label
from credits.reports.rollup import Slice, Slicing, UsePart, slices, uses
from credits.sql import fetch_all


class TokenSums(NamedTuple):
    """Tokens of uses: all that were read, of which cached and written to a cache; all that were
    written, of which reasoning."""

    input: int = 0
    cached: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0


@dataclass(frozen=True)
class ModelSums:
    """One model in some days. `charges` is how often it was charged, `charged` what that took;
    `unused` and `refunded` came back of it. Of charges by tokens that ended in these days: how many
    calls used something, and how many of these counts are `estimated`; what they cost, and what
    was collected of that."""

    model: str
    charges: int = 0
    charged: int = 0
    unused: int = 0
    refunded: int = 0
    uses: int = 0
    estimated: int = 0
    tokens: TokenSums = field(default_factory=TokenSums)
    cost_pico: int = 0
    collected_pico: int = 0
    uncollected_uses: int = 0
    #: Of the uses those of which is known what the provider asks: how many, what was collected of
    #: them, and what it asks.
    known: int = 0
    known_collected_pico: int = 0
    known_cost_pico: int = 0

    @property
    def label(self) -> str:
        """What people read."""
        return model_label(self.model) or "no model"

    @property
    def spent(self) -> int:
        """Credits that stayed taken."""
        return self.charged - self.unused - self.refunded

    @property
    def uncollected_pico(self) -> int:
        """The operator's loss: uses above what was reserved for them."""
        return self.cost_pico - self.collected_pico

    @property
    def unknown(self) -> int:
        """Uses of which nobody has entered what the provider asks."""
        return self.uses - self.known

    @property
    def provider_cost_pico(self) -> int | None:
        """What the provider asks for the uses of which that is known; None when it is of none."""
        return self.known_cost_pico if self.known else None

    @property
    def margin_pico(self) -> int | None:
        """What is left of the same uses: collected less the provider's cost."""
        return self.known_collected_pico - self.known_cost_pico if self.known else None

    @property
    def margin_percent(self) -> float | None:
        """The margin in hundredths of what was collected."""
        return percent_of(self.margin_pico, self.known_collected_pico)


def percent_of(part: int | None, whole: int) -> float | None:
    """Hundredths of a whole, to a tenth; None of nothing, and of what is not known."""
    return None if part is None or not whole else round(Fraction(1000 * part, whole)) / 10


def by_model(*, first: date, last: date, model: str = "") -> list[ModelSums]:
    """What each model brought in from one day to another (UTC, both included): those with the most
    charges first. Charges of no model stand under an empty name."""
    wanted = Slicing(first=first, last=last, model=model)
    return sums_by_model(slices(wanted), uses(wanted))


def sums_by_model(slices: Iterable[Slice], used: Iterable[UsePart]) -> list[ModelSums]:
    """The same of slices and uses that were read already."""
    moved: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for part in slices:
        for name, amount in _moved(part):
            moved[part.model][name] += amount
    parts: dict[str, list[UsePart]] = defaultdict(list)
    for use in used:
        parts[use.model].append(use)
    rows = [_model(name, moved[name], parts[name]) for name in {**moved, **parts}]
    return sorted(rows, key=lambda row: (-row.charges, row.model))


def _moved(part: Slice) -> Iterator[tuple[str, int]]:
    match part.kind:
        case Kind.CHARGE:
            yield "charges", part.rows
            yield "charged", part.credits
        case Kind.UNUSED:
            yield "unused", -part.credits
        case Kind.REFUND:
            yield "refunded", -part.credits


def _model(name: str, moved: dict[str, int], parts: list[UsePart]) -> ModelSums:
    def total(column: str, *sources: str) -> int:
        return sum(
            int(getattr(part, column)) for part in parts if not sources or part.source in sources
        )

    counted = [source for source in Use.Source.values if source != Use.Source.NONE]
    return ModelSums(
        model=name,
        **moved,
        uses=total("uses", *counted),
        estimated=total("uses", Use.Source.ESTIMATED),
        tokens=TokenSums(*(total(column) for column in TokenSums._fields)),
        cost_pico=total("cost"),
        collected_pico=total("collected"),
        uncollected_uses=total("uncollected_uses"),
        known=total("known"),
        known_collected_pico=total("known_collected"),
        known_cost_pico=total("provider_cost"),
    )


UNCOLLECTED = """
SELECT c.details ->> 'model', count(*), sum(s.cost - s.collected)
FROM credits_use s JOIN credits_usagehistory c ON c.id = s.charge_id
WHERE s.cost > s.collected AND s.created_at > credits_now() - make_interval(secs => %s)
GROUP BY 1 ORDER BY 3 DESC
"""


class Uncollected(NamedTuple):
    """A model whose uses cost more than was reserved for them: how many did, and by how much."""

    model: str
    uses: int
    pico: int


def uncollected_lately(within: timedelta) -> list[Uncollected]:
    """The models with such uses in this time until now, the largest loss first."""
    rows = fetch_all(UNCOLLECTED, [within.total_seconds()])
    return [Uncollected(model or "", count, int(pico)) for model, count, pico in rows]
