"""Addresses below /admin/users."""

from django.urls import path

from adminpanel.users import views

urlpatterns = [path("", views.users, name="admin-users")]
