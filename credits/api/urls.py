"""Addresses below /api/ that belong to credits, and the API's description."""

from django.urls import path

from credits.api import docs, redeem, views

urlpatterns = [
    path("credits/me", views.MyBalance.as_view(), name="api-balance"),
    path("credits/settings", views.PublicSettings.as_view(), name="api-settings"),
    path("credits/usage", views.MyUsage.as_view(), name="api-usage"),
    path("account/redeem", redeem.Redeem.as_view(), name="api-redeem"),
    path("schema", docs.SchemaView.as_view(), name="api-schema"),
    path("docs", docs.reference, name="api-docs"),
]
