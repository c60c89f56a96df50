"""The overview and the health of the site."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from adminpanel.overview.charts import charts_of
from adminpanel.overview.health import get_health
from adminpanel.overview.metrics import get_overview
from config.zones import in_utc
from credits.http import AuthenticatedHttpRequest
from credits.integrity.run import recent_checks
from credits.statement.days import today
from credits.tasks import check_soon
from credits.users.permissions import admin_action, admin_page


@admin_page
@in_utc
def overview(request: HttpRequest) -> HttpResponse:
    numbers = get_overview(today())
    context = {"numbers": numbers, "charts": charts_of(numbers), "health": get_health()}
    return render(request, "adminpanel/overview.html", context)


@admin_page
def health(request: HttpRequest) -> HttpResponse:
    context = {"health": get_health(), "checks": recent_checks()}
    return render(request, "adminpanel/health.html", context)


@admin_action
def check_now(request: AuthenticatedHttpRequest) -> HttpResponse:
    """Asks the worker for a proof of the ledger."""
    if check_soon(actor=request.user):
        messages.success(request, "The ledger will be checked as soon as a worker is free.")
    else:
        messages.warning(request, "That check is asked for already.")
    return redirect("admin-health")
