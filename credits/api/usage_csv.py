"""One's own history as a file."""

from django.core.exceptions import BadRequest
from django.http import StreamingHttpResponse
from django.views.decorators.http import require_safe

from credits.api.serializers import UsageQuery, filters_of
from credits.features import FEATURES
from credits.http import AuthenticatedHttpRequest
from credits.statement.csv_file import Columns, csv_response
from credits.statement.history import Kind, filter_rows, in_batches, statement
from credits.statement.lines import Line, lines_of

COLUMNS: Columns[Line] = {
    "Row": lambda line: line.id,
    "Time (UTC)": lambda line: line.at,
    "What": lambda line: line.what,
    "Note": lambda line: line.note,
    "Credits used": lambda line: line.used,
    "Balance after": lambda line: line.balance,
    "Unit cost": lambda line: line.row.unit_cost,
    "Quantity": lambda line: line.row.quantity,
    "Refund of": lambda line: line.refund_of,
}


@require_safe
def usage_csv(request: AuthenticatedHttpRequest) -> StreamingHttpResponse:
    """All rows that the filters let through (those of `/usage`), newest first."""
    names = ("kind", "feature", "from", "to")
    chosen = {name: request.GET[name] for name in names if request.GET.get(name)}
    if chosen.get("kind") in FEATURES:  # The page offers the charges of a feature as a kind.
        chosen |= {"kind": Kind.CHARGE, "feature": chosen["kind"]}
    query = UsageQuery(data=chosen)
    if not query.is_valid():
        raise BadRequest("A filter that means nothing.")
    rows = filter_rows(statement(user_id=request.user.pk), **filters_of(query.validated_data))
    batches = map(lines_of, in_batches(rows.select_related("grant")))
    return csv_response(batches, COLUMNS, name="tally-usage")
