"""Addresses below /admin/audit."""

from django.urls import path

from adminpanel.audit import views

urlpatterns = [
    path("", views.audit, name="admin-audit"),
    path(".csv", views.audit_csv, name="admin-audit-csv"),
]
