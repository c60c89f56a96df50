"""Everybody's journal as CSV: every row that the filters let through, streamed."""

from collections.abc import Iterator
from typing import Any

from adminpanel.usage.rows import EVERYWHERE, Filters, bounds, find, matching, model_of
from credits.models import UsageHistory
from credits.statement.exports import csv_lines, text_cell
from credits.statement.history import Rows, kind_of
from credits.statement.wording import note_of, what_of

HEADINGS = [
    "Row", "Time (UTC)", "User id", "User", "Kind", "What", "Note", "Model", "Reason",
    "Credits used", "Balance after", "Unit cost", "Quantity", "Refund of",
]  # fmt: skip


def csv_of(filters: Filters) -> Iterator[str]:
    """The file in pieces, newest row first."""
    return csv_lines(_rows(filters), headings=HEADINGS, cells=_cells)


def _rows(filters: Filters) -> Rows:
    rows = matching(filters)
    if filters.slicing is None:
        return rows
    return rows.filter(pk__range=bounds(find(filters).spans or EVERYWHERE))


def _cells(row: UsageHistory) -> list[Any]:
    return [
        row.pk,
        f"{row.created_at:%Y-%m-%d %H:%M:%S}",
        row.account_id,
        text_cell(str(row.user)),
        str(kind_of(row)),
        text_cell(what_of(row)),
        text_cell(note_of(row)),
        text_cell(model_of(row)),
        text_cell(str(row.details.get("reason") or "")),
        row.credits_used,
        row.balance_after,
        row.unit_cost,
        row.quantity,
        row.refund_of_id,
    ]
