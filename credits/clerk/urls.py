"""Clerk's addresses. With no Clerk variable set they lead nowhere, or to local accounts."""

from django.urls import path

from credits.clerk.webhook_view import ClerkWebhook

urlpatterns = [
    path("api/webhooks/clerk", ClerkWebhook.as_view(), name="clerk-webhook"),
]
