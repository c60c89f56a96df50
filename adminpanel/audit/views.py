"""The record of what admins did: read, filtered, and taken away as a file. Nothing changes it."""

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from adminpanel.audit.forms import AuditForm
from adminpanel.audit.record import COLUMNS, get_page
from adminpanel.exports import exported
from config.pagination import in_batches
from config.serving.capacity import exports
from credits.http import AuthenticatedHttpRequest
from credits.statement.csv_file import csv_response
from credits.users.permissions import admin_page


@admin_page
def audit(request: HttpRequest) -> HttpResponse:
    form = AuditForm(request.GET)
    if not form.is_valid():
        return render(request, "adminpanel/audit.html", {"form": form}, status=400)
    context = {"form": form, "page": get_page(form.rows(), **form.place)}
    return render(request, "adminpanel/audit.html", context)


@admin_page
@require_GET
@exports
def audit_csv(request: AuthenticatedHttpRequest) -> StreamingHttpResponse:
    """Every entry that the page's filters let through, newest first; not that of this file."""
    form = AuditForm(request.GET)
    if not form.is_valid():
        raise form.refusal
    entry = exported(request, "audit", form)
    batches = in_batches(form.rows().filter(pk__lt=entry.pk))
    return csv_response(batches, COLUMNS, name="tally-audit")
