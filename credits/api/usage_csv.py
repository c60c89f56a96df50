"""GET /usage.csv: one's own history for spreadsheets."""

from typing import Any

from django.core.exceptions import BadRequest
from django.http import StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from credits.api.serializers import UsageQuery, filters_of
from credits.features import FEATURES
from credits.http import AuthenticatedHttpRequest
from credits.statement.exports import lines
from credits.statement.history import Kind, filter_rows, statement

FILTERS = ("kind", "feature", "from", "to")


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
