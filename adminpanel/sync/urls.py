"""Addresses below /admin/sync."""

from django.urls import path

from adminpanel.sync import views

urlpatterns = [path("", views.sync, name="admin-sync")]
