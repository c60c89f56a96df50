"""The addresses of /v1 (`GatewayMiddleware` resolves them)."""

from django.urls import path

from ai_chat.gateway import chat, embeddings, listing

urlpatterns = [
    path("v1/chat/completions", chat.completions),
    path("v1/embeddings", embeddings.embeddings),
    path("v1/models", listing.models),
    path("v1/models/<path:name>", listing.model),
]
