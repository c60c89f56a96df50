"""Pages of this app."""

from django.urls import include, path

from credits import views

urlpatterns = [
    path("", views.home, name="home"),
    path("credits/balance", views.balance, name="balance"),
    path("usage", views.usage, name="usage"),
    path("pricing", views.pricing, name="pricing"),
    path("", include("credits.accounts.urls")),
]
