"""Prices by tokens: which one of a model holds, which are announced, and how JSON has them. A price
is a row that nobody changes (I8); of those that begin at one moment the newest holds. Setting one:
`token_price_changes.py`."""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, NamedTuple

from django.db.models import QuerySet

from credits.amounts import as_exact
from credits.features import FEATURES
from credits.kernel import database_time
from credits.models import AIModel, TokenPrice
from credits.models.tokens import PER

#: The columns of the prices, by the names that JSON has.
COLUMNS = {
    "input": "input",
    "cached": "cached",
    "cacheWrite": "cache_write",
    "output": "output",
    "reasoning": "reasoning",
    "request": "request",
}
#: What begins the columns of what the provider asks.
PROVIDER = "provider_"
#: What prices are for, in JSON.
UNIT = "1M_tokens"

# Of each model the price that holds at a moment, and those that begin later; `newest` is the id of
# its newest row.
ROWS = """
SELECT DISTINCT ON (p.model_id, greatest(p.valid_from, m.moment))
    p.*, max(p.id) OVER (PARTITION BY p.model_id) AS newest
FROM credits_tokenprice p, (SELECT %(at)s::timestamptz AS moment) m
WHERE p.model_id = ANY(%(models)s)
ORDER BY p.model_id, greatest(p.valid_from, m.moment), p.valid_from DESC, p.id DESC
"""


class Prices(NamedTuple):
    """The rows of a model's prices by tokens from a moment on: the one that holds, if there is
    any, then those that begin later, in their order. `version` differs whenever a row was added:
    for `expected_version`."""

    rows: list[TokenPrice]
    moment: datetime
    version: str

    @property
    def in_force(self) -> TokenPrice | None:
        """The price by tokens that holds; None: the model costs its feature's price."""
        row = self.row_at(self.moment)
        return row if row and row.is_by_tokens else None

    @property
    def announced(self) -> list[TokenPrice]:
        """What changes later. A row that says what held before it is none: that is how an
        announcement is withdrawn."""
        later = [row for row in self.rows if row.valid_from > self.moment]
        known = pairwise([self.row_at(self.moment), *later])
        return [row for before, row in known if row and price_state(row) != price_state(before)]

    def row_at(self, moment: datetime) -> TokenPrice | None:
        """The row that holds at a moment from this one on."""
        return next((row for row in reversed(self.rows) if row.valid_from <= moment), None)


def prices_of(models: Collection[AIModel]) -> dict[int, Prices]:
    """The prices of each of these models from now on (by the ledger's clock), by its primary
    key."""
    moment = database_time()
    rows: dict[int, list[TokenPrice]] = {model.pk: [] for model in models}
    newest: dict[int, int] = {}
    for row in TokenPrice.objects.raw(ROWS, {"at": moment, "models": list(rows)}):
        rows[row.model_id].append(row)
        newest[row.model_id] = row.newest  # type: ignore[attr-defined]  # selected by ROWS
    return {pk: Prices(rows[pk], moment, str(newest.get(pk, 0))) for pk in rows}


def latest_rows() -> QuerySet[TokenPrice]:
    """The newest row of each model that has any, with its model: what was decided last."""
    newest = TokenPrice.objects.order_by("model_id", "-pk").distinct("model_id")
    return newest.select_related("model")


def attach_prices(models: Iterable[AIModel]) -> dict[int, Prices]:
    """Gives each model its `token_price`; one with such a price has no other `cost`. Returns all
    prices, by the models' primary keys."""
    listed = list(models)
    prices = prices_of(listed)
    for model in listed:
        give_price(model, prices[model.pk].in_force)
    return prices


def give_price(model: AIModel, price: TokenPrice | None) -> None:
    """Notes which price by tokens holds for a model, whose `cost` is known."""
    model.token_price = price
    if price:
        model.cost = None


def price_state(row: TokenPrice | None) -> dict[str, Any] | None:
    """A price as JSON has it: credits per 1,000,000 tokens, and per request, as exact decimals.
    None for a price per message."""
    if row is None or not row.is_by_tokens:
        return None
    asked = None if row.provider_input is None else _decimals(row, PROVIDER)
    return {**_decimals(row), "maxInput": row.max_input, "provider": asked}


def _decimals(row: TokenPrice, prefix: str = "") -> dict[str, str]:
    return {
        name: as_exact(getattr(row, prefix + column) * (1 if column == "request" else PER))
        for name, column in COLUMNS.items()
    }


def change_state(row: TokenPrice | None) -> dict[str, Any] | None:
    """A price as the history of its model has it: with the moment from which it holds, and without
    prices where those per message hold again."""
    if row is None:
        return None
    return {"validFrom": row.valid_from.astimezone(UTC).isoformat(), **(price_state(row) or {})}


def pricing_of(model: AIModel) -> Mapping[str, Any] | None:
    """How a model is priced now, for JSON: by tokens, with the id of the price as its version; or
    a number of credits for a unit. None where it has no price yet."""
    price = model.token_price
    if not model.has_price:
        return None
    if price is None:
        return {"unit": FEATURES[model.feature].unit, "credits": model.cost}
    prices = {**_decimals(price), "maxInput": price.max_input}
    return {"unit": UNIT, **prices, "version": price.pk}
