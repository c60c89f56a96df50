"""Addresses of the pages of chat and images."""

from django.contrib.auth.decorators import login_not_required
from django.urls import path
from django.views.generic import TemplateView

from ai_chat.pages import calls, chat, data, images

KEYBOARD = login_not_required(TemplateView.as_view(template_name="keyboard.html"))

urlpatterns = [
    path("ai-chat", chat.chat, name="chat"),
    path("ai-chat/offer", chat.offer, name="chat-offer"),
    path("ai-chat/conversations", chat.conversations, name="conversations"),
    path("ai-chat/turns/<uuid:turn_id>/events", chat.events, name="turn-events"),
    path("ai-chat/turns/<uuid:turn_id>/source", chat.source, name="turn-source"),
    path("ai-chat/turns/<uuid:turn_id>/stop", chat.stop, name="turn-stop"),
    path("ai-chat/charges/<int:charge_id>", chat.paid_for, name="paid-for"),
    path("ai-chat/<uuid:conversation_id>", chat.chat, name="conversation"),
    path("ai-chat/<uuid:conversation_id>/rename", chat.rename, name="conversation-rename"),
    path("ai-chat/<uuid:conversation_id>/delete", chat.delete, name="conversation-delete"),
    path("account/calls", calls.calls, name="calls"),
    path("account/calls.csv", calls.calls_csv, name="calls-csv"),
    path("account/keys/<str:public_id>/calls", calls.calls, name="key-calls"),
    path("account/data", data.account_data, name="account-data"),
    path("account/data/archive", data.ask_for_archive, name="account-archive"),
    path("account/data/archives/<uuid:job_id>", data.archive, name="account-archive-file"),
    path("account/data/responses", data.keeping, name="account-keeping"),
    path("account/data/delete/<str:kind>", data.delete_all, name="account-delete-all"),
    path("account/close", data.CloseView.as_view(), name="account-close"),
    path("privacy", data.privacy, name="privacy"),
    path("help/keyboard", KEYBOARD, name="keyboard"),
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
