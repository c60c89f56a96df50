"""Everybody's journal: rows, sums and a file, by filters that the address holds."""

from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpResponse, StreamingHttpResponse
from django.views.decorators.http import require_GET, require_safe

from adminpanel.exports import exported
from adminpanel.usage.exports import COLUMNS, batches_of
from adminpanel.usage.forms import UsageForm
from credits.http import AuthenticatedHttpRequest, render_page_or_fragment, wants_fragment
from credits.reports.journal import find_matches, get_page, known_words
from credits.statement.csv_file import csv_response
from credits.users.permissions import admin_page


@admin_page
@require_safe
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
def usage_csv(request: AuthenticatedHttpRequest) -> StreamingHttpResponse:
    """All rows that the filters of `/admin/usage` let through."""
    form = UsageForm(request.GET)
    if not form.is_valid():
        raise BadRequest("A filter that means nothing.")
    exported(request, "usage", form)
    return csv_response(batches_of(form.filters), COLUMNS, name="tally-usage-everybody")
