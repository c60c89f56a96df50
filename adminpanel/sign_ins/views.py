"""The authentication events: a filtered list, and a CSV file of it."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from adminpanel.exports import exported
from adminpanel.sign_ins.forms import SignInsForm
from config.pagination import in_batches, paginate
from config.serving.capacity import exports
from credits.http import AuthenticatedHttpRequest
from credits.models import AuthenticationEvent
from credits.statement.csv_file import Columns, csv_response
from credits.users.permissions import admin_page

PAGE = 50

COLUMNS: Columns[AuthenticationEvent] = {
    "Event": lambda event: event.pk,
    "Time (UTC)": lambda event: event.created_at,
    "User": lambda event: str(event.user or ""),
    "User (id)": lambda event: event.user_id,
    "What": lambda event: event.kind,
    "Address": lambda event: event.address,
    "Device": lambda event: event.device,
}


@admin_page
def sign_ins(request: HttpRequest) -> HttpResponse:
    form = SignInsForm(request.GET)
    if not form.is_valid():
        return render(request, "adminpanel/sign_ins.html", {"form": form}, status=400)
    page = paginate(form.rows(), size=PAGE, **form.place)
    context = {"form": form, "page": page, "days": settings.AUTHENTICATION_DAYS}
    return render(request, "adminpanel/sign_ins.html", context)


@admin_page
@require_GET
@exports
def sign_ins_csv(request: AuthenticatedHttpRequest) -> StreamingHttpResponse:
    """Every event that matches the filters, newest first."""
    form = SignInsForm(request.GET)
    if not form.is_valid():
        raise form.refusal
    exported(request, "sign_ins", form)
    return csv_response(in_batches(form.rows()), COLUMNS, name="tally-sign-ins")
