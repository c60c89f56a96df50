"""Pages of this app."""

from django.contrib.auth.views import LogoutView
from django.urls import include, path

from credits.api.usage_csv import usage_csv
from credits.clerk.auth import pages as clerk
from credits.clerk.auth.pages import local_or_clerk
from credits.clerk.webhooks.views import ClerkWebhook
from credits.packs.views import redeem_code
from credits.statement import views as statement
from credits.users import views as local

urlpatterns = [
    path("", statement.home, name="home"),
    path("credits/balance", statement.balance, name="balance"),
    path("usage", statement.usage, name="usage"),
    path("usage.csv", usage_csv, name="usage-csv"),
    # What Clerk does in place of local accounts, once it is configured.
    path("pricing", local_or_clerk(statement.pricing, clerk.pricing), name="pricing"),
    path("sign-in", local_or_clerk(local.SignInView.as_view(), clerk.sign_in), name="sign-in"),
    path("sign-up", local_or_clerk(local.SignUpView.as_view(), clerk.sign_up), name="sign-up"),
    # By POST only: a link on another site must not sign anyone out.
    path("sign-out", local_or_clerk(LogoutView.as_view(), clerk.sign_out), name="sign-out"),
    path("account", local_or_clerk(local.AccountView.as_view(), clerk.account), name="account"),
    path("account/redeem", redeem_code, name="redeem"),
    path("", include("credits.users.urls")),
    path("", include("credits.events.urls")),
    path("", include("credits.limits.urls")),
    path("", include("credits.keys.urls")),
    path("auth/clerk/session", clerk.exchange, name="clerk-session"),
    path("api/webhooks/clerk", ClerkWebhook.as_view(), name="clerk-webhook"),
]
