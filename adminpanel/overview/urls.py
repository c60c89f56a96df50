"""Addresses below /admin."""

from django.urls import path

from adminpanel.overview import views

urlpatterns = [
    path("", views.overview, name="admin"),
    path("/health", views.health, name="admin-health"),
    path("/health/check", views.check_now, name="admin-health-check"),
]
