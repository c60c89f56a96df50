"""Setting prices by tokens. Each function is one transaction and leaves a change in the history."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from config.errors import InvalidInput, issue
from credits.amounts import in_pico
from credits.catalogue.exceptions import NotInCatalogue
from credits.catalogue.fields import PROVIDER_PRICE_FIELDS, TOKEN_PRICE_FIELDS, problems_of
from credits.catalogue.history import Subject, check_version, record_change
from credits.catalogue.models import find_model
from credits.catalogue.prices import lock_prices
from credits.catalogue.token_prices import (
    COLUMNS,
    PROVIDER,
    Prices,
    change_state,
    price_state,
    prices_of,
)
from credits.models import AIModel, TokenPrice, User
from credits.models.tokens import PER, PRICE_COLUMNS

type Values = Mapping[str, Any]

#: What a price costs that is not named: as much as another one, which is.
LIKE = {"cached": "input", "cacheWrite": "input", "reasoning": "output"}


@transaction.atomic
def set_token_price(
    *,
    actor: User | None,
    model: str,
    prices: Values | None,
    valid_from: datetime | None = None,
    expected_version: str | None = None,
    reason: str = "",
) -> TokenPrice | None:
    """Sets what a model costs by tokens from a moment on (now unless given), by the names of
    TOKEN_PRICE_FIELDS and, in `provider`, of PROVIDER_PRICE_FIELDS; None: from then on it costs its
    feature's price. What is announced for later stays, and what begins at the same moment is
    replaced. Returns the new row; None where that is what holds then. Raises NotInCatalogue,
    ChangedMeanwhile, InvalidInput."""
    lock_prices()
    row, known = _known(model, expected_version)
    if prices is not None and not row.can_cost_tokens:
        raise InvalidInput("Only models for text and embeddings have prices by tokens.", ("price",))
    columns = {} if prices is None else columns_of(prices)
    if row.is_embedding and (columns.get("output") or columns.get("reasoning")):
        raise InvalidInput("Embeddings have no output: it costs 0.", ("output",))
    begins = valid_from or known.moment
    former = known.row_at(max(begins, known.moment))
    wanted = TokenPrice(model=row, valid_from=begins, created_by=actor, **columns)
    if price_state(wanted) == price_state(former):
        return None
    if begins < known.moment:
        raise InvalidInput("A price begins now or later.", ("validFrom",))
    return _insert(actor, wanted, former, known, reason)


@transaction.atomic
def withdraw_price(
    *,
    actor: User | None,
    model: str,
    valid_from: datetime,
    expected_version: str | None = None,
    reason: str = "",
) -> TokenPrice | None:
    """Takes an announced price back: what held before goes on. Returns the row that says so; None
    where nothing begins then. Raises NotInCatalogue, ChangedMeanwhile, InvalidInput."""
    lock_prices()
    row, known = _known(model, expected_version)
    if valid_from <= known.moment:
        raise InvalidInput("It holds already: set another price.", ("validFrom",))
    former = known.row_at(valid_from)
    before = next((each for each in reversed(known.rows) if each.valid_from < valid_from), None)
    if price_state(before) == price_state(former):
        return None
    wanted = TokenPrice(model=row, valid_from=valid_from, created_by=actor, **_prices_in(before))
    return _insert(actor, wanted, former, known, reason)


def _known(model: str, expected_version: str | None) -> tuple[AIModel, Prices]:
    row = find_model(model)
    if row is None:
        raise NotInCatalogue("model", model)
    known = prices_of([row])[row.pk]
    check_version(known.version, expected_version)
    return row, known


def _insert(
    actor: User | None, wanted: TokenPrice, former: TokenPrice | None, known: Prices, reason: str
) -> TokenPrice:
    """Inserts a row, and again what was withdrawn after it: such a row says what held before it,
    and would end the new price. The change itself comes last: it is the newest."""
    for later in known.rows:
        if later.valid_from <= max(wanted.valid_from, known.moment):
            continue
        if price_state(later) != price_state(former):
            break
        copy = TokenPrice(
            model=wanted.model, valid_from=later.valid_from, created_by=actor, **_prices_in(wanted)
        )
        copy.save()
    wanted.save()
    before, after = change_state(former), change_state(wanted)
    name = wanted.model.name
    record_change(actor, Subject.TOKEN_PRICE, name, before, after, reason=reason)
    return wanted


def _prices_in(row: TokenPrice | None) -> dict[str, Any]:
    """The columns of a price that another one repeats."""
    if row is None:
        return {}
    return {name: getattr(row, name) for name in (*PRICE_COLUMNS, "max_input")}


def columns_of(prices: Values) -> dict[str, Any]:
    """These prices as columns of a TokenPrice: whole micro-credits, exactly. Raises InvalidInput
    with every issue."""
    asked = prices.get("provider")
    issues = [issue(path, sentence) for path, sentence in price_problems(prices)]
    if issues:
        raise InvalidInput.of(issues)
    columns = {"max_input": prices.get("maxInput"), **_in_pico(prices)}
    return columns if asked is None else {**columns, **_in_pico(asked, PROVIDER)}


def price_problems(prices: Values) -> list[tuple[tuple[str, ...], str]]:
    """What is wrong with a price: the path of each field that refuses, and its sentence."""
    needed = dict.fromkeys(("input", "output"))
    problems: list[tuple[tuple[str, ...], str]] = [
        ((name,), sentence)
        for name, sentence in problems_of({**needed, **prices}, TOKEN_PRICE_FIELDS).items()
    ]
    if (asked := prices.get("provider")) is not None:
        wrong = problems_of({**needed, **asked}, PROVIDER_PRICE_FIELDS)
        problems += [(("provider", name), sentence) for name, sentence in wrong.items()]
    return problems


def _in_pico(prices: Values, prefix: str = "") -> dict[str, int]:
    named = {**{name: prices[other] for name, other in LIKE.items()}, "request": "0", **prices}
    return {
        prefix + column: in_pico(named[name]) // (1 if column == "request" else PER)
        for name, column in COLUMNS.items()
    }
