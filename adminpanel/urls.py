"""The admin desk: a room for each of its pages."""

from django.urls import include, path

from adminpanel.confirm import ConfirmView
from adminpanel.metrics import metrics

urlpatterns = [
    path("metrics", metrics, name="metrics"),
    path("admin/confirm", ConfirmView.as_view(), name="admin-confirm"),
    path("admin", include("adminpanel.overview.urls")),
    path("admin/settings", include("adminpanel.settings.urls")),
    path("admin/users", include("adminpanel.users.urls")),
    path("admin/usage", include("adminpanel.usage.urls")),
    path("admin/webhooks", include("adminpanel.webhooks.urls")),
    path("admin/sync", include("adminpanel.sync.urls")),
    path("admin/audit", include("adminpanel.audit.urls")),
]
