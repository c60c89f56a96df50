"""Conversations, their turns, images and files, and calls of keys. Money is not here: jobs point at
their charges in the journal."""

from ai_chat.models.attachments import ATTACHMENTS, Attachment
from ai_chat.models.calls import ApiCall, ApiCount, KeptAnswer, KeptResponse, ResponseItem
from ai_chat.models.conversations import (
    USUAL,
    Beginning,
    ChatPreferences,
    ChatSettings,
    Conversation,
    Folder,
    Place,
    Preset,
    Setup,
    Turn,
    Versions,
)
from ai_chat.models.data import ARCHIVES, IMPORTS, DataJob
from ai_chat.models.failures import ProviderFailure
from ai_chat.models.images import IMAGES, Image, ImageRequest
from ai_chat.models.search import SearchEntry
from ai_chat.models.sharing import SHARES, Share, ShareEntry, SharePicture, ShareReport

__all__ = [
    "ARCHIVES",
    "ATTACHMENTS",
    "IMAGES",
    "IMPORTS",
    "SHARES",
    "USUAL",
    "ApiCall",
    "ApiCount",
    "Attachment",
    "Beginning",
    "ChatPreferences",
    "ChatSettings",
    "Conversation",
    "DataJob",
    "Folder",
    "Image",
    "ImageRequest",
    "KeptAnswer",
    "KeptResponse",
    "Place",
    "Preset",
    "ProviderFailure",
    "ResponseItem",
    "SearchEntry",
    "Setup",
    "Share",
    "ShareEntry",
    "SharePicture",
    "ShareReport",
    "Turn",
    "Versions",
]
