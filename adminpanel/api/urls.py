"""Addresses below /api/admin/."""

from django.urls import path

from adminpanel.api import keys, limits, packs, reports, sync, users, views

urlpatterns = [
    path("settings", views.Settings.as_view(), name="api-admin-settings"),
    path("settings/changes", views.Changes.as_view(), name="api-admin-changes"),
    path("models", views.Models.as_view(), name="api-admin-models"),
    path("plans", views.Plans.as_view(), name="api-admin-plans"),
    path("plans/<str:clerk_id>", views.OnePlan.as_view(), name="api-admin-plan"),
    path("packs", packs.Packs.as_view(), name="api-admin-packs"),
    path("packs/<int:pack_id>", packs.OnePack.as_view(), name="api-admin-pack"),
    path("codes", packs.Batches.as_view(), name="api-admin-codes"),
    path("codes/<int:batch_id>", packs.OneBatch.as_view(), name="api-admin-code-batch"),
    path(
        "codes/<int:batch_id>/export",
        packs.BatchExport.as_view(),
        name="api-admin-codes-export",
    ),
    path("codes/<int:batch_id>/void", packs.BatchVoid.as_view(), name="api-admin-codes-void"),
    path("users", users.People.as_view(), name="api-admin-users"),
    path(
        "users/<str:user_id>/credits",
        users.PersonsCredits.as_view(),
        name="api-admin-user-credits",
    ),
    path("users/<str:user_id>/packs", packs.GivenPacks.as_view(), name="api-admin-user-packs"),
    path(
        "users/<str:user_id>/limits", limits.PersonsLimits.as_view(), name="api-admin-user-limits"
    ),
    path(
        "users/<str:user_id>/limits/<int:limit_id>",
        limits.PersonsLimit.as_view(),
        name="api-admin-user-limit",
    ),
    path("keys", keys.AllKeys.as_view(), name="api-admin-keys"),
    path("keys/<str:key_id>", keys.AnyKey.as_view(), name="api-admin-key"),
    path("credits", users.Balances.as_view(), name="api-admin-balances"),
    path("credits/<str:user_id>", users.OneBalance.as_view(), name="api-admin-balance"),
    path("usage", users.Usage.as_view(), name="api-admin-usage"),
    path("usage/models", reports.ModelReport.as_view(), name="api-admin-usage-models"),
    path("users/sync", sync.Sync.as_view(), name="api-admin-sync"),
    path("users/sync/<uuid:job_id>", sync.OneSync.as_view(), name="api-admin-sync-job"),
    path("clerk/plans", sync.ClerkPlans.as_view(), name="api-admin-clerk-plans"),
    path("health/credits-enum", views.EnumHealth.as_view(), name="api-admin-credits-enum"),
]
