"""Every address of the site. No trailing slashes (design §4)."""

from django.urls import URLPattern, URLResolver, include, path

from config import health, installing

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("manifest.webmanifest", installing.manifest, name="manifest"),
    path("service-worker.js", installing.service_worker, name="service-worker"),
    path("offline", installing.offline, name="offline"),
    path("api/", include("credits.api.urls")),
    path("api/admin/", include("adminpanel.api.urls")),
    path("api/", include("ai_chat.api.urls")),
    path("", include("ai_chat.gateway.pages")),
    path("", include("credits.urls")),
    path("", include("ai_chat.pages.urls")),
    path("", include("adminpanel.urls")),
]

handler400 = handler403 = handler404 = "config.errors.client_error"
handler500 = "config.errors.server_error"
