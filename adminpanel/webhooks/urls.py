"""Addresses below /admin/webhooks."""

from django.urls import path

from adminpanel.webhooks import views

urlpatterns = [path("", views.webhooks, name="admin-webhooks")]
