"""What Clerk and its scripts call."""

from django.urls import path

from credits.clerk.api import views as api
from credits.clerk.auth import pages
from credits.clerk.webhooks.views import ClerkWebhook

urlpatterns = [
    path("api/webhooks/clerk", ClerkWebhook.as_view(), name="clerk-webhook"),
    path("api/admin/users/sync", api.Sync.as_view(), name="api-admin-sync"),
    path("api/admin/users/sync/<uuid:job_id>", api.OneSync.as_view(), name="api-admin-sync-job"),
    path("api/admin/clerk/plans", api.ClerkPlans.as_view(), name="api-admin-clerk-plans"),
    path("auth/clerk/session", pages.exchange, name="clerk-session"),
]
