"""Addresses below /api/ that belong to credits, and the API's description."""

from django.urls import path

from credits.api import docs, keys, limits, redeem, views, webhooks

urlpatterns = [
    path("credits/me", views.MyBalance.as_view(), name="api-balance"),
    path("credits/settings", views.PublicSettings.as_view(), name="api-settings"),
    path("credits/usage", views.MyUsage.as_view(), name="api-usage"),
    path("account/alerts", webhooks.MyAlerts.as_view(), name="api-alerts"),
    path("account/webhooks", webhooks.Webhooks.as_view(), name="api-webhooks"),
    path("account/webhooks/<uuid:endpoint_id>", webhooks.Webhook.as_view(), name="api-webhook"),
    path("account/webhooks/<uuid:endpoint_id>/roll", webhooks.RollSecret.as_view()),
    path("account/webhooks/<uuid:endpoint_id>/test", webhooks.SendTest.as_view()),
    path("account/webhooks/<uuid:endpoint_id>/attempts", webhooks.Attempts.as_view()),
    path(
        "account/webhooks/<uuid:endpoint_id>/attempts/<int:attempt_id>/again",
        webhooks.SendAgain.as_view(),
    ),
    path("account/redeem", redeem.Redeem.as_view(), name="api-redeem"),
    path("account/limits", limits.OwnLimits.as_view(), name="api-limits"),
    path("account/limits/<int:limit_id>", limits.OwnLimit.as_view(), name="api-limit"),
    path("keys", keys.Keys.as_view(), name="api-keys"),
    path("keys/<str:key_id>", keys.OneKey.as_view(), name="api-key"),
    path("keys/<str:key_id>/roll", keys.RollKey.as_view(), name="api-key-roll"),
    path("schema", docs.SchemaView.as_view(), name="api-schema"),
    path("docs", docs.reference, name="api-docs"),
]
