"""Addresses below /admin/webhooks."""

from django.urls import path

from adminpanel.webhooks import views

urlpatterns = [
    path("", views.webhooks, name="admin-webhooks"),
    path("/replay", views.replay, name="admin-webhooks-replay"),
    path("/<int:delivery_id>", views.webhook, name="admin-webhook"),
    path("/<int:delivery_id>/replay", views.replay_webhook, name="admin-webhook-replay"),
]
