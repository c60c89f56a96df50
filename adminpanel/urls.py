"""Every page of the admin desk, and the metrics."""

from django.urls import path

from adminpanel.audit import views as audit
from adminpanel.codes import views as codes
from adminpanel.confirm import ConfirmView
from adminpanel.keys import views as keys
from adminpanel.metrics import metrics
from adminpanel.overview import views as overview
from adminpanel.settings import (
    chat_views,
    import_views,
    model_views,
    pack_views,
    plan_views,
    price_views,
)
from adminpanel.settings import views as settings
from adminpanel.shares import views as shares
from adminpanel.sign_ins import views as sign_ins
from adminpanel.sync import views as sync
from adminpanel.usage import key_views as usage_keys
from adminpanel.usage import model_views as usage_models
from adminpanel.usage import views as usage
from adminpanel.users import approval_views, call_views, limit_views, money_views
from adminpanel.users import views as users
from adminpanel.webhooks import views as webhooks

urlpatterns = [
    path("metrics", metrics, name="metrics"),
    path("admin/confirm", ConfirmView.as_view(), name="admin-confirm"),
    path("admin", overview.overview, name="admin"),
    path("admin/health", overview.health, name="admin-health"),
    path("admin/health/check", overview.check_now, name="admin-health-check"),
    path("admin/settings", settings.settings, name="admin-settings"),
    path("admin/settings/preview", settings.preview, name="admin-settings-preview"),
    path("admin/settings/review", settings.review, name="admin-settings-review"),
    path("admin/settings/costs", settings.save, name="admin-settings-save"),
    path("admin/settings/history", settings.history, name="admin-settings-history"),
    path("admin/settings/history/<int:change_id>/undo", settings.undo, name="admin-settings-undo"),
    path("admin/settings/plans/new", plan_views.edit_plan, name="admin-plan-new"),
    path("admin/settings/plans/<str:clerk_id>", plan_views.edit_plan, name="admin-plan"),
    path(
        "admin/settings/plans/<str:clerk_id>/delete",
        plan_views.remove_plan,
        name="admin-plan-delete",
    ),
    path("admin/settings/models/new", model_views.edit_model, name="admin-model-new"),
    path("admin/settings/models/<int:model_id>", model_views.edit_model, name="admin-model"),
    path("admin/settings/models/<int:model_id>/price", price_views.price, name="admin-model-price"),
    path(
        "admin/settings/models/<int:model_id>/price/review",
        price_views.review,
        name="admin-model-price-review",
    ),
    path(
        "admin/settings/models/<int:model_id>/price/withdraw",
        price_views.withdraw,
        name="admin-model-price-withdraw",
    ),
    path("admin/settings/providers/new", model_views.edit_provider, name="admin-provider-new"),
    path(
        "admin/settings/providers/<int:provider_id>",
        model_views.edit_provider,
        name="admin-provider",
    ),
    path(
        "admin/settings/providers/<int:provider_id>/delete",
        model_views.delete_provider,
        name="admin-provider-delete",
    ),
    path(
        "admin/settings/providers/<int:provider_id>/models",
        model_views.pick_models,
        name="admin-provider-models",
    ),
    path("admin/settings/packs/new", pack_views.edit_pack, name="admin-pack-new"),
    path("admin/settings/packs/<int:pack_id>", pack_views.edit_pack, name="admin-pack"),
    path("admin/settings/chats", chat_views.chats, name="admin-chats"),
    path("admin/settings/chats/presets/new", chat_views.edit_preset, name="admin-preset-new"),
    path(
        "admin/settings/chats/presets/<uuid:preset_id>", chat_views.edit_preset, name="admin-preset"
    ),
    path(
        "admin/settings/chats/presets/<uuid:preset_id>/delete",
        chat_views.remove_preset,
        name="admin-preset-delete",
    ),
    path("admin/settings/import", import_views.start, name="admin-plan-import"),
    path("admin/settings/import/preview", import_views.compare, name="admin-plan-import-preview"),
    path("admin/settings/import/take", import_views.take, name="admin-plan-import-take"),
    path("admin/users", users.users, name="admin-users"),
    path("admin/users/approvals", approval_views.index, name="admin-approvals"),
    path("admin/users/approvals/<int:approval_id>", approval_views.detail, name="admin-approval"),
    path("admin/users/charges/<int:charge_id>/refund", money_views.refund, name="admin-refund"),
    path("admin/users/<int:user_id>", users.user, name="admin-user"),
    path("admin/users/<int:user_id>/adjust", money_views.adjust, name="admin-adjust"),
    path("admin/users/<int:user_id>/calls", call_views.calls, name="admin-calls"),
    path("admin/users/<int:user_id>/limits", limit_views.limits, name="admin-limits"),
    path("admin/users/<int:user_id>/limits/<int:limit_id>", limit_views.limit, name="admin-limit"),
    path(
        "admin/users/<int:user_id>/limits/<int:limit_id>/remove",
        limit_views.remove,
        name="admin-limit-remove",
    ),
    path("admin/users/<int:user_id>/give", money_views.give, name="admin-give"),
    path("admin/keys", keys.keys, name="admin-keys"),
    path("admin/keys/<str:public_id>/revoke", keys.revoke, name="admin-key-revoke"),
    path("admin/codes", codes.codes, name="admin-codes"),
    path("admin/codes/new", codes.new, name="admin-codes-new"),
    path("admin/codes/<int:batch_id>", codes.batch, name="admin-code-batch"),
    path("admin/codes/<int:batch_id>/export", codes.export, name="admin-codes-export"),
    path("admin/codes/<int:batch_id>/void", codes.void, name="admin-codes-void"),
    path("admin/usage", usage.usage, name="admin-usage"),
    path("admin/usage.csv", usage.usage_csv, name="admin-usage-csv"),
    path("admin/usage/keys", usage_keys.keys, name="admin-usage-keys"),
    path("admin/usage/keys.csv", usage_keys.keys_csv, name="admin-usage-keys-csv"),
    path("admin/usage/models", usage_models.models, name="admin-usage-models"),
    path("admin/usage/models.csv", usage_models.models_csv, name="admin-usage-models-csv"),
    path("admin/webhooks", webhooks.webhooks, name="admin-webhooks"),
    path("admin/webhooks/replay", webhooks.replay, name="admin-webhooks-replay"),
    path("admin/webhooks/<int:delivery_id>", webhooks.webhook, name="admin-webhook"),
    path(
        "admin/webhooks/<int:delivery_id>/replay",
        webhooks.replay_webhook,
        name="admin-webhook-replay",
    ),
    path("admin/sync", sync.sync, name="admin-sync"),
    path("admin/sync/<uuid:job_id>", sync.job, name="admin-sync-job"),
    path("admin/sync/<uuid:job_id>/run", sync.run, name="admin-sync-run"),
    path("admin/sync/<uuid:job_id>/cancel", sync.cancel, name="admin-sync-cancel"),
    path("admin/shares", shares.shares, name="admin-shares"),
    path("admin/shares/<uuid:share_id>", shares.share, name="admin-share"),
    path("admin/sign-ins", sign_ins.sign_ins, name="admin-sign-ins"),
    path("admin/sign-ins.csv", sign_ins.sign_ins_csv, name="admin-sign-ins-csv"),
    path("admin/audit", audit.audit, name="admin-audit"),
    path("admin/audit.csv", audit.audit_csv, name="admin-audit-csv"),
]
