"""Addresses below /api/admin/."""

from django.urls import path

from adminpanel.api import views

urlpatterns = [
    path("settings", views.Settings.as_view(), name="api-admin-settings"),
    path("settings/changes", views.Changes.as_view(), name="api-admin-changes"),
    path("plans", views.Plans.as_view(), name="api-admin-plans"),
    path("plans/<str:clerk_id>", views.OnePlan.as_view(), name="api-admin-plan"),
    path("health/credits-enum", views.EnumHealth.as_view(), name="api-admin-credits-enum"),
]
