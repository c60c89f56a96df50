"""The codes of an export as a file."""

from collections.abc import Sequence

from django.http import HttpResponse

from credits.models import CodeBatch
from credits.statement.csv_file import Columns, csv_lines


def codes_csv(batch: CodeBatch, codes: Sequence[str]) -> HttpResponse:
    """The codes, which exist nowhere else from now on: whole, so that nothing of it is kept while
    it is sent, and in no cache."""
    columns: Columns[str] = {
        "Code": str,
        "Credits": lambda _: batch.worth,
        "Until (UTC)": lambda _: batch.expires_at,
    }
    headers = {
        "Content-Disposition": f'attachment; filename="tally-codes-{batch.pk}.csv"',
        "Cache-Control": "no-store",
    }
    lines = "".join(csv_lines([list(codes)], columns))
    return HttpResponse(lines, content_type="text/csv; charset=utf-8", headers=headers)
