"""Addresses below /admin/settings."""

from django.urls import path

from adminpanel.settings import views

urlpatterns = [path("", views.settings, name="admin-settings")]
