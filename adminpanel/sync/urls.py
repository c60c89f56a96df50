"""Addresses below /admin/sync."""

from django.urls import path

from adminpanel.sync import views

urlpatterns = [
    path("", views.sync, name="admin-sync"),
    path("/<uuid:job_id>", views.job, name="admin-sync-job"),
    path("/<uuid:job_id>/run", views.run, name="admin-sync-run"),
    path("/<uuid:job_id>/cancel", views.cancel, name="admin-sync-cancel"),
]
