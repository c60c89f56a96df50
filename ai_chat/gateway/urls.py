"""The addresses of /v1 (`GatewayMiddleware` resolves them)."""

from django.urls import path

from ai_chat.gateway import chat, embeddings, images, key, listing, messages, openapi, quotes
from ai_chat.gateway.responses import views as responses

urlpatterns = [
    path("v1/chat/completions", chat.completions),
    path("v1/embeddings", embeddings.embeddings),
    path("v1/images/generations", images.generations),
    path("v1/messages", messages.messages),
    path("v1/responses", responses.responses),
    path("v1/responses/<str:response_id>", responses.response),
    path("v1/responses/<str:response_id>/input_items", responses.input_items),
    path("v1/key", key.key),
    path("v1/quote", quotes.quote),
    path("v1/openapi.json", openapi.document),
    path("v1/models", listing.models),
    path("v1/models/<path:name>", listing.model),
]
