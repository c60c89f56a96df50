"""Addresses of the pages of chat and images."""

from django.urls import path

from ai_chat.pages import chat, images

urlpatterns = [
    path("ai-chat", chat.chat, name="chat"),
    path("ai-chat/offer", chat.offer, name="chat-offer"),
    path("ai-chat/conversations", chat.conversations, name="conversations"),
    path("ai-chat/turns/<uuid:turn_id>/events", chat.events, name="turn-events"),
    path("ai-chat/turns/<uuid:turn_id>/stop", chat.stop, name="turn-stop"),
    path("ai-chat/charges/<int:charge_id>", chat.paid_for, name="paid-for"),
    path("ai-chat/<uuid:conversation_id>", chat.chat, name="conversation"),
    path("ai-chat/<uuid:conversation_id>/rename", chat.rename, name="conversation-rename"),
    path("ai-chat/<uuid:conversation_id>/delete", chat.delete, name="conversation-delete"),
    path("images", images.images, name="images"),
    path("images/offer", images.offer, name="image-offer"),
    path("images/requests/<uuid:request_id>", images.card, name="image-request"),
    path("images/requests/<uuid:request_id>/events", images.events, name="image-events"),
    path("images/requests/<uuid:request_id>/stop", images.stop, name="image-request-stop"),
    path(
        "images/requests/<uuid:request_id>/delete", images.delete_all, name="image-request-delete"
    ),
    path("images/<uuid:image_id>/file", images.file, name="image-file"),
    path("images/<uuid:image_id>/delete", images.delete, name="image-delete"),
]
