"""Tables as CSV: every row, streamed, and nothing that a spreadsheet would run. One's own history
first of all."""

import csv
import re
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

from django.core.exceptions import BadRequest
from django.db import connection
from django.db.models import Model, QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from credits.api.serializers import UsageQuery, filters_of
from credits.features import FEATURES
from credits.http import AuthenticatedHttpRequest
from credits.models import UsageHistory
from credits.statement.history import Kind, Rows, filter_rows, in_batches, statement
from credits.statement.wording import note_of, what_of

HEADINGS = [
    "Row", "Time (UTC)", "What", "Note", "Credits used", "Balance after", "Unit cost", "Quantity",
    "Refund of",
]  # fmt: skip
FILTERS = ("kind", "feature", "from", "to")
#: What makes a spreadsheet take a cell for a formula (also the full-width forms), or leave it.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
#: A formula after the separator of countries that write a comma in numbers.
LATER_FORMULA = re.compile(f";(?= *[{''.join(map(re.escape, FORMULA))}])")


@require_safe
def usage_csv(request: AuthenticatedHttpRequest) -> StreamingHttpResponse:
    """All rows that the filters let through (those of `/usage`), newest first."""
    rows = filter_rows(statement(user_id=request.user.pk), **_filters(request))
    name = f"tally-usage-{timezone.now():%Y-%m-%d}.csv"
    return StreamingHttpResponse(
        lines(rows.select_related("grant")),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _filters(request: AuthenticatedHttpRequest) -> dict[str, Any]:
    chosen = {key: request.GET[key] for key in FILTERS if request.GET.get(key)}
    if chosen.get("kind") in FEATURES:  # The page offers the charges of a feature as a kind.
        chosen |= {"kind": Kind.CHARGE, "feature": chosen["kind"]}
    query = UsageQuery(data=chosen)
    if not query.is_valid():
        raise BadRequest("A filter that means nothing.")
    return filters_of(query.validated_data)


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
