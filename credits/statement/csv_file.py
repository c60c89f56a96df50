"""Tables as CSV files: every row, streamed, and nothing that a spreadsheet would run."""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from io import StringIO
from typing import Any

from django.db import connection
from django.http import StreamingHttpResponse
from django.utils import timezone

#: The columns of a table: each one's heading, and its value in a row.
type Columns[Row] = Mapping[str, Callable[[Row], Any]]

#: What makes a spreadsheet take a cell for a formula (also the full-width forms), or leave it.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
#: A formula after the separator of countries that write a comma in numbers.
LATER_FORMULA = re.compile(f";(?= *[{''.join(map(re.escape, FORMULA))}])")


def csv_response[Row](
    batches: Iterable[list[Row]], columns: Columns[Row], *, name: str
) -> StreamingHttpResponse:
    """All rows of all batches as a file to keep, called by `name` and the day."""
    filename = f"{name}-{timezone.now():%Y-%m-%d}.csv"
    return StreamingHttpResponse(
        csv_lines(batches, columns),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{filename}"'},
    )


def csv_lines[Row](batches: Iterable[list[Row]], columns: Columns[Row]) -> Iterator[str]:
    """The file in pieces, one for each batch. The connection goes back to the pool before each is
    handed over: a slow reader keeps nobody waiting."""
    yield _csv([list(columns)])
    for batch in batches:
        piece = _csv([[_cell(value(row)) for value in columns.values()] for row in batch])
        if not connection.in_atomic_block:
            connection.close()
        yield piece


def _csv(table: list[list[Any]]) -> str:
    buffer = StringIO()
    csv.writer(buffer).writerows(table)
    return buffer.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, Decimal):
        return f"{value:f}"
    return text_cell(value) if isinstance(value, str) else value


def text_cell(text: str) -> str:
    """A cell that a spreadsheet shows as it is: an admin's reason must not run as a formula."""
    text = LATER_FORMULA.sub(";'", text)
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text
