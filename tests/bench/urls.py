"""The site's addresses, and a floor to measure them against."""

from django.contrib.auth.decorators import login_not_required
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path

from config.urls import urlpatterns as site_patterns


@login_not_required
def bare(request: HttpRequest) -> HttpResponse:
    """A view that asks the database one thing and renders nothing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT credits_remaining FROM credits_creditbalance LIMIT 1")
        return HttpResponse(str(cursor.fetchone()))


urlpatterns = [path("bare", bare), *site_patterns]
