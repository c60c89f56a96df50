"""Webhooks of a user's own."""

from django.urls import path

from credits.events import views

urlpatterns = [
    path("account/webhooks", views.webhooks, name="webhooks"),
    path("account/webhooks/<uuid:endpoint_id>", views.webhook, name="webhook"),
    path("account/webhooks/<uuid:endpoint_id>/secret", views.roll, name="webhook-roll"),
    path("account/webhooks/<uuid:endpoint_id>/test", views.test, name="webhook-test"),
    path("account/webhooks/<uuid:endpoint_id>/switch", views.switch, name="webhook-switch"),
    path("account/webhooks/<uuid:endpoint_id>/delete", views.delete, name="webhook-delete"),
    path(
        "account/webhooks/<uuid:endpoint_id>/attempts/<int:attempt_id>/again",
        views.again,
        name="webhook-again",
    ),
    path("account/alerts", views.alerts, name="alerts"),
]
