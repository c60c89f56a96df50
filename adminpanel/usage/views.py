"""Everybody's journal: rows, sums and a file, by filters that the address holds."""

from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from django.views.decorators.http import require_GET

from adminpanel.exports import exported
from adminpanel.usage.forms import UsageForm
from config.pagination import in_batches
from config.serving.capacity import exports
from config.zones import in_utc
from credits.http import AuthenticatedHttpRequest, render_page_or_fragment, wants_fragment
from credits.models import UsageHistory
from credits.reports.journal import (
    EVERYWHERE,
    bounds,
    find_matches,
    get_page,
    known_words,
    matching,
)
from credits.statement.csv_file import Columns, csv_response
from credits.statement.use_columns import USE_COLUMNS
from credits.users.permissions import admin_page

COLUMNS: Columns[UsageHistory] = {
    "Row": lambda row: row.pk,
    "Time (UTC)": lambda row: row.created_at,
    "User id": lambda row: row.account_id,
    "User": lambda row: str(row.user),
    "Kind": lambda row: str(row.kind),
    "What": lambda row: row.what,
    "Note": lambda row: row.full_note,
    "Model": lambda row: row.paid_model,
    "Reason": lambda row: row.details.get("reason"),
    "Credits used": lambda row: row.credits_used,
    "Balance after": lambda row: row.balance_after,
    "Unit cost": lambda row: row.unit_cost,
    "Quantity": lambda row: row.quantity,
    "Refund of": lambda row: row.refund_of_id,
    **USE_COLUMNS,
}


@admin_page
@in_utc
def usage(request: AuthenticatedHttpRequest) -> HttpResponse:
    form = UsageForm(request.GET)
    context: dict[str, Any] = {"form": form}
    if form.is_valid():
        matches = find_matches(form.filters)
        context["sums"] = matches.sums
        context["page"] = get_page(form.filters, matches, **form.place)
    if not wants_fragment(request):
        context["words"] = known_words()
    status = 200 if form.is_valid() else 400
    return render_page_or_fragment(
        request, "adminpanel/usage.html", "found", context, status=status
    )


@admin_page
@require_GET
@exports
@in_utc
def usage_csv(request: AuthenticatedHttpRequest) -> StreamingHttpResponse:
    """All rows that the filters of `/admin/usage` let through."""
    form = UsageForm(request.GET)
    if not form.is_valid():
        raise form.refusal
    exported(request, "usage", form)
    filters = form.filters
    rows = matching(filters)
    if filters.slicing is not None:
        rows = rows.filter(pk__range=bounds(find_matches(filters).spans or EVERYWHERE))
    return csv_response(in_batches(rows), COLUMNS, name="tally-usage-everybody")
