"""Clerk's addresses. With no Clerk variable set they lead to local accounts, or nowhere."""

from django.urls import path

from credits.clerk.api import views as api
from credits.clerk.auth import pages
from credits.clerk.webhooks.views import ClerkWebhook
from credits.users.views import SignInView

urlpatterns = [
    path("api/webhooks/clerk", ClerkWebhook.as_view(), name="clerk-webhook"),
    path("api/admin/users/sync", api.Sync.as_view(), name="api-admin-sync"),
    path("api/admin/users/sync/<uuid:job_id>", api.OneSync.as_view(), name="api-admin-sync-job"),
    path("api/admin/clerk/plans", api.ClerkPlans.as_view(), name="api-admin-clerk-plans"),
    path("auth/clerk/session", pages.exchange, name="clerk-session"),
    path("sign-in", pages.sign_in, name="sign-in"),
    # For staff made with `createsuperuser`, also while Clerk does not answer.
    path("sign-in/password", SignInView.as_view(), name="sign-in-password"),
    path("sign-up", pages.sign_up, name="sign-up"),
    path("sign-out", pages.sign_out, name="sign-out"),
    path("pricing", pages.pricing, name="pricing"),
    path("account", pages.account, name="account"),
]
