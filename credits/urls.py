"""Pages of this app."""

from django.urls import include, path

from credits.statement import exports, views

urlpatterns = [
    path("", views.home, name="home"),
    path("credits/balance", views.balance, name="balance"),
    path("usage", views.usage, name="usage"),
    path("usage.csv", exports.usage_csv, name="usage-csv"),
    path("pricing", views.pricing, name="pricing"),
    path("", include("credits.users.urls")),
]
