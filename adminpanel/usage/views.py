"""Everybody's journal: rows, sums and a file, by filters that the address holds."""

from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_GET, require_safe

from adminpanel.exports import exported
from adminpanel.usage.exports import COLUMNS, batches_of
from adminpanel.usage.forms import UsageForm
from adminpanel.usage.rows import find, get_page, known_words
from credits.http import AuthenticatedHttpRequest
from credits.statement.csv_file import csv_response
from credits.users.permissions import admin_page


@admin_page
@require_safe
def usage(request: AuthenticatedHttpRequest) -> HttpResponse:
    form = UsageForm(request.GET)
    htmx = request.htmx
    fragment = bool(htmx) and not htmx.boosted and not htmx.history_restore_request
    context: dict[str, Any] = {"form": form}
    if form.is_valid():
        found = find(form.filters)
        context |= {"sums": found.sums, "page": get_page(form.filters, found, **form.place)}
    if not fragment:
        context["words"] = known_words()
    # htmx shows a 422; a 400 it would leave out.
    status = 200 if form.is_valid() else 422 if fragment else 400
    template = "adminpanel/usage.html" + ("#found" if fragment else "")
    response = render(request, template, context, status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response


@admin_page
@require_GET
def usage_csv(request: AuthenticatedHttpRequest) -> StreamingHttpResponse:
    """All rows that the filters of `/admin/usage` let through."""
    form = UsageForm(request.GET)
    if not form.is_valid():
        raise BadRequest("A filter that means nothing.")
    exported(request, "usage", form)
    return csv_response(batches_of(form.filters), COLUMNS, name="tally-usage-everybody")
