"""Addresses below /admin/usage."""

from django.urls import path

from adminpanel.usage import views

urlpatterns = [
    path("", views.usage, name="admin-usage"),
    path(".csv", views.usage_csv, name="admin-usage-csv"),
]
