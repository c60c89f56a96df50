"""Addresses below /admin/settings."""

from django.urls import path

from adminpanel.settings import import_views, plan_views, views

urlpatterns = [
    path("", views.settings, name="admin-settings"),
    path("/preview", views.preview, name="admin-settings-preview"),
    path("/review", views.review, name="admin-settings-review"),
    path("/costs", views.save, name="admin-settings-save"),
    path("/history", views.history, name="admin-settings-history"),
    path("/history/<int:change_id>/undo", views.undo, name="admin-settings-undo"),
    path("/plans/new", plan_views.new_plan, name="admin-plan-new"),
    path("/plans/<str:clerk_id>", plan_views.edit_plan, name="admin-plan"),
    path("/plans/<str:clerk_id>/delete", plan_views.remove_plan, name="admin-plan-delete"),
    path("/import", import_views.start, name="admin-plan-import"),
    path("/import/preview", import_views.compare, name="admin-plan-import-preview"),
    path("/import/take", import_views.take, name="admin-plan-import-take"),
]
