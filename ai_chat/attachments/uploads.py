"""Requests that bring files, and what they are answered."""

from typing import Any

from django.conf import settings
from django.core.files.base import File
from rest_framework import serializers

from ai_chat.attachments.errors import FileTooLarge, InvalidAttachment
from ai_chat.models import Attachment


class FileOut(serializers.Serializer[Any]):
    id = serializers.UUIDField(help_text="For `attachments` of a message.")
    createdAt = serializers.DateTimeField(source="created_at")
    name = serializers.CharField()
    kind = serializers.ChoiceField(Attachment.Kind.choices)
    mediaType = serializers.CharField(source="content_type", help_text="By what is in the file.")
    bytes = serializers.IntegerField(help_text="As it is kept: pictures are made smaller.")
    characters = serializers.IntegerField(help_text="Of the text that models are sent of it.")
    isCut = serializers.BooleanField(
        source="is_cut", help_text="Whether the file has more text than is kept of it."
    )
    pages = serializers.IntegerField(allow_null=True, help_text="Of a PDF or a presentation.")
    width = serializers.IntegerField(allow_null=True, help_text="Pixels of a picture as kept.")
    height = serializers.IntegerField(allow_null=True)
    conversationId = serializers.UUIDField(
        source="conversation_id", allow_null=True, help_text="Null until it was sent."
    )


def uploaded_files(request: Any, *, most: int) -> "list[File[bytes]]":
    """The parts `file` of a form. Raises InvalidAttachment for none, or more than `most`."""
    uploaded: list[File[bytes]] = request.FILES.getlist("file")
    if not uploaded:
        raise InvalidAttachment("Choose a file first.")
    if len(uploaded) > most:
        raise InvalidAttachment(f"Send at most {most} file{'s' if most > 1 else ''} at once.")
    return uploaded


def check_length(request: Any) -> None:
    """Before the body is read: raises FileTooLarge for one that has not been waited for."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > settings.LARGE_BODIES[request.path_info]:
        raise FileTooLarge(limit=settings.ATTACHMENT_MAX_BYTES)
