"""Users."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from credits.permissions import admin_page


@admin_page
@require_safe
def users(request: HttpRequest) -> HttpResponse:
    return render(request, "adminpanel/users.html")
