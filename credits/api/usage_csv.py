"""One's own history as a file."""

from django.http import StreamingHttpResponse
from django.views.decorators.http import require_safe

from config.errors import InvalidInput, issues_of
from config.pagination import in_batches
from config.serving.capacity import exports
from credits.api.serializers import UsageQuery, filters_of
from credits.features import ALL_FEATURES, Kind
from credits.http import AuthenticatedHttpRequest
from credits.models import UsageHistory
from credits.statement.csv_file import Columns, csv_response
from credits.statement.history import filter_rows, statement
from credits.statement.use_columns import USE_COLUMNS

COLUMNS: Columns[UsageHistory] = {
    "Row": lambda row: row.pk,
    "Time (UTC)": lambda row: row.created_at,
    "What": lambda row: row.what,
    "Note": lambda row: row.note,
    "Credits used": lambda row: row.credits_used,
    "Balance after": lambda row: row.balance_after,
    "Unit cost": lambda row: row.unit_cost,
    "Quantity": lambda row: row.quantity,
    "Key": lambda row: row.api_key and row.api_key.label,
    "Refund of": lambda row: row.refund_of_id,
    **USE_COLUMNS,
}


@require_safe
@exports
def usage_csv(request: AuthenticatedHttpRequest) -> StreamingHttpResponse:
    """All rows that the filters let through (those of `/usage`), newest first."""
    names = ("kind", "feature", "key", "from", "to")
    chosen = {name: request.GET[name] for name in names if request.GET.get(name)}
    if chosen.get("kind") in ALL_FEATURES:  # The page offers the charges of a feature as a kind.
        chosen |= {"kind": Kind.CHARGE, "feature": chosen["kind"]}
    query = UsageQuery(data=chosen)
    if not query.is_valid():
        raise InvalidInput.of(issues_of(query.errors))
    rows = filter_rows(statement(user_id=request.user.pk), **filters_of(query.validated_data))
    batches = in_batches(rows.select_related("grant"))
    return csv_response(batches, COLUMNS, name="tally-usage")
