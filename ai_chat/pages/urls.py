"""Addresses of the pages of chat and images."""

from django.contrib.auth.decorators import login_not_required
from django.urls import path
from django.views.generic import TemplateView

from ai_chat.pages import (
    addresses,
    attaching,
    calls,
    chat,
    choosing,
    composer,
    data,
    exports,
    files,
    filing,
    finding,
    images,
    imports,
    instructions,
    shared,
    sharing,
    turns,
    versions,
)

KEYBOARD = login_not_required(TemplateView.as_view(template_name="keyboard.html"))

urlpatterns = [
    path("ai-chat", chat.chat, name="chat"),
    path("ai-chat/model", choosing.choose, name="choose-model"),
    path("ai-chat/attached", attaching.attached, name="chat-attached"),
    path("ai-chat/offer", composer.offer, name="chat-offer"),
    path("ai-chat/conversations", finding.conversations, name="conversations"),
    path("ai-chat/files", files.upload, name="files"),
    path("ai-chat/files/<uuid:file_id>", files.show, name="file"),
    path("ai-chat/files/<uuid:file_id>/delete", files.delete, name="file-delete"),
    path("ai-chat/search", finding.chat_search, name="chat-search"),
    path("ai-chat/all", finding.all_chats, name="all-chats"),
    path("ai-chat/all/change", filing.change_many, name="chats-change"),
    path("ai-chat/folders", filing.folders, name="folders"),
    path("ai-chat/folders/<uuid:folder_id>/rename", filing.folder_rename, name="folder-rename"),
    path("ai-chat/folders/<uuid:folder_id>/delete", filing.folder_delete, name="folder-delete"),
    path("ai-chat/turns/<uuid:turn_id>/events", turns.events, name="turn-events"),
    path("ai-chat/turns/<uuid:turn_id>/source", turns.source, name="turn-source"),
    path("ai-chat/turns/<uuid:turn_id>/stop", turns.stop, name="turn-stop"),
    path("ai-chat/turns/<uuid:turn_id>/again", versions.again, name="turn-again"),
    path("ai-chat/charges/<int:charge_id>", addresses.paid_for, name="paid-for"),
    path("ai-chat/<uuid:conversation_id>", chat.chat, name="conversation"),
    path("ai-chat/<uuid:conversation_id>/shown", versions.show, name="conversation-shown"),
    path("ai-chat/<uuid:conversation_id>/change", filing.change, name="conversation-change"),
    path("ai-chat/<uuid:conversation_id>/rename", filing.rename, name="conversation-rename"),
    path("ai-chat/title", chat.heading, name="chat-title"),
    path("ai-chat/instructions", instructions.block, name="chat-instructions"),
    path(
        "ai-chat/<uuid:conversation_id>/instructions",
        instructions.set_up_chat,
        name="conversation-instructions",
    ),
    path("ai-chat/<uuid:conversation_id>/delete", filing.delete, name="conversation-delete"),
    path(
        "ai-chat/<uuid:conversation_id>/export.md", exports.markdown, name="conversation-markdown"
    ),
    path("ai-chat/<uuid:conversation_id>/export.json", exports.as_json, name="conversation-json"),
    path("ai-chat/<uuid:conversation_id>/print", exports.printed, name="conversation-print"),
    path("ai-chat/<uuid:conversation_id>/share", sharing.share, name="conversation-share"),
    path("account/shares", sharing.shares, name="shares"),
    path("account/shares/<uuid:share_id>/update", sharing.update, name="share-update"),
    path("account/shares/<uuid:share_id>/revoke", sharing.revoke, name="share-revoke"),
    path("shared/<str:share_token>", shared.shared, name="shared"),
    path("shared/<str:share_token>/report", shared.report, name="shared-report"),
    path("shared/<str:share_token>/continue", imports.continue_shared, name="shared-continue"),
    path(
        "shared/<str:share_token>/images/<uuid:picture_id>", shared.picture, name="shared-picture"
    ),
    path("account/data/import", imports.ask_for_import, name="account-import"),
    path("account/calls", calls.calls, name="calls"),
    path("account/calls.csv", calls.calls_csv, name="calls-csv"),
    path("account/keys/<str:public_id>/calls", calls.calls, name="key-calls"),
    path("account/files", files.kept, name="account-files"),
    path("account/files/delete", files.delete_kept, name="account-files-delete"),
    path("account/chats", instructions.account_chats, name="account-chats"),
    path("account/chats/presets/new", instructions.edit_preset, name="preset-new"),
    path("account/chats/presets/<uuid:preset_id>", instructions.edit_preset, name="preset"),
    path(
        "account/chats/presets/<uuid:preset_id>/delete",
        instructions.remove_preset,
        name="preset-delete",
    ),
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
