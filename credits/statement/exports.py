"""Tables as CSV: every row, streamed, and nothing that a spreadsheet would run."""

import csv
import re
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

from django.db import connection
from django.db.models import Model, QuerySet

from credits.models import UsageHistory
from credits.statement.history import Rows, in_batches
from credits.statement.wording import note_of, what_of

HEADINGS = [
    "Row", "Time (UTC)", "What", "Note", "Credits used", "Balance after", "Unit cost", "Quantity",
    "Refund of",
]  # fmt: skip
#: What makes a spreadsheet take a cell for a formula (also the full-width forms), or leave it.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
#: A formula after the separator of countries that write a comma in numbers.
LATER_FORMULA = re.compile(f";(?= *[{''.join(map(re.escape, FORMULA))}])")


def lines(rows: Rows) -> Iterator[str]:
    return csv_lines(rows, headings=HEADINGS, cells=_cells)


def csv_lines[Row: Model](
    rows: QuerySet[Row], *, headings: list[str], cells: Callable[[Row], list[Any]]
) -> Iterator[str]:
    """A file in pieces, newest rows first. The connection goes back to the pool before each piece
    is handed over: a slow reader keeps nobody waiting. People's text belongs in `text_cell`."""
    yield _csv([headings])
    for batch in in_batches(rows):
        piece = _csv([cells(row) for row in batch])
        if not connection.in_atomic_block:
            connection.close()
        yield piece


def _csv(table: list[list[Any]]) -> str:
    buffer = StringIO()
    csv.writer(buffer).writerows(table)
    return buffer.getvalue()


def _cells(row: UsageHistory) -> list[Any]:
    return [
        row.pk,
        f"{row.created_at:%Y-%m-%d %H:%M:%S}",
        text_cell(what_of(row)),
        text_cell(note_of(row)),
        row.credits_used,
        row.balance_after,
        row.unit_cost,
        row.quantity,
        row.refund_of_id,
    ]


def text_cell(text: str) -> str:
    """A cell that a spreadsheet shows as it is: an admin's reason must not run as a formula."""
    text = LATER_FORMULA.sub(";'", text)
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text
