"""Everybody's journal as CSV: every row that the filters let through."""

from collections.abc import Iterator

from credits.reports.journal import EVERYWHERE, Filters, UserLine, bounds, find_matches, matching
from credits.statement.csv_file import Columns
from credits.statement.history import in_batches

COLUMNS: Columns[UserLine] = {
    "Row": lambda line: line.id,
    "Time (UTC)": lambda line: line.at,
    "User id": lambda line: line.row.account_id,
    "User": lambda line: str(line.user),
    "Kind": lambda line: str(line.kind),
    "What": lambda line: line.what,
    "Note": lambda line: line.note,
    "Model": lambda line: line.model,
    "Reason": lambda line: line.reason,
    "Credits used": lambda line: line.used,
    "Balance after": lambda line: line.balance,
    "Unit cost": lambda line: line.row.unit_cost,
    "Quantity": lambda line: line.row.quantity,
    "Refund of": lambda line: line.refund_of,
}


def batches_of(filters: Filters) -> Iterator[list[UserLine]]:
    """The lines of the file, newest first."""
    rows = matching(filters)
    if filters.slicing is not None:
        rows = rows.filter(pk__range=bounds(find_matches(filters).spans or EVERYWHERE))
    for batch in in_batches(rows):
        yield [UserLine(row) for row in batch]
