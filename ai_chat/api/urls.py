"""Addresses below /api/ that belong to chat, images and calls by keys."""

from django.urls import include, path

from ai_chat.api import calls, chat, chats, files, images, quotes

ai = [
    path("chat", chat.Chat.as_view(), name="api-chat"),
    path("chat/<path:chat_id>/stream", chat.ChatStream.as_view(), name="api-chat-stream"),
    path("chat/<path:chat_id>/stop", chat.StopChat.as_view(), name="api-chat-stop"),
    path("quote", quotes.QuoteChat.as_view(), name="api-quote"),
    path("models", chat.Models.as_view(), name="api-models"),
    path("image", images.CreateImages.as_view(), name="api-create-images"),
    path("images", images.MyImages.as_view(), name="api-images"),
    path("images/requests/<uuid:request_id>", images.OneImages.as_view(), name="api-image-request"),
    path(
        "images/requests/<uuid:request_id>/stop", images.StopImages.as_view(), name="api-image-stop"
    ),
    path("images/<uuid:image_id>", images.OneImage.as_view(), name="api-image"),
    path("images/<uuid:image_id>/file", images.ImageFile.as_view(), name="api-image-file"),
]

urlpatterns = [
    path("ai/", include(ai)),
    path("files", files.Files.as_view(), name="api-files"),
    path("files/<uuid:file_id>", files.OneFile.as_view(), name="api-file"),
    path("files/<uuid:file_id>/content", files.FileContent.as_view(), name="api-file-content"),
    path("chats", chats.MyChats.as_view(), name="api-chats"),
    path("calls", calls.MyCalls.as_view(), name="api-calls"),
]
