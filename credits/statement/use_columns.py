"""The columns of a table of journal rows that tell what came of charges by tokens; empty for other
rows."""

from collections.abc import Callable
from typing import Any

from credits.amounts import as_decimal
from credits.models import UsageHistory, Use
from credits.statement.csv_file import Columns


def _of_use(value: Callable[[Use], Any]) -> Callable[[UsageHistory], Any]:
    return lambda row: value(row.used) if row.used else None


USE_COLUMNS: Columns[UsageHistory] = {
    "Price": lambda row: row.price_id,
    "Tokens in": _of_use(lambda use: use.input),
    "From cache": _of_use(lambda use: use.cached),
    "To cache": _of_use(lambda use: use.cache_write),
    "Tokens out": _of_use(lambda use: use.output),
    "Thinking": _of_use(lambda use: use.reasoning),
    "Counted by": _of_use(lambda use: use.source),
    "Cost": _of_use(lambda use: as_decimal(int(use.collected))),
    "Paid ahead": _of_use(lambda use: as_decimal(int(use.ahead))),
}
