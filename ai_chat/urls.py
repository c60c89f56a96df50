from django.urls import include, path

from ai_chat import views

urlpatterns = [
    path("ai-chat", views.chat, name="chat"),
    path("ai-chat/offer", views.offer, name="chat-offer"),
    path("ai-chat/conversations", views.conversations, name="conversations"),
    path("ai-chat/turns/<uuid:turn_id>/events", views.events, name="turn-events"),
    path("ai-chat/turns/<uuid:turn_id>/stop", views.stop, name="turn-stop"),
    path("ai-chat/charges/<int:charge_id>", views.paid_for, name="paid-for"),
    path("ai-chat/<uuid:conversation_id>", views.chat, name="conversation"),
    path("ai-chat/<uuid:conversation_id>/rename", views.rename, name="conversation-rename"),
    path("ai-chat/<uuid:conversation_id>/delete", views.delete, name="conversation-delete"),
    path("", include("ai_chat.images.urls")),
]
