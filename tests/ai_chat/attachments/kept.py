"""Files of users as they are kept."""

from uuid import uuid4

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from ai_chat.models import Attachment, Conversation
from credits.models import User
from tests.ai_chat.images.fake import picture

Kind = Attachment.Kind


def make_document(
    user: User,
    text: str,
    name: str = "notes.txt",
    *,
    kind: Kind = Kind.TEXT,
    conversation: Conversation | None = None,
    pages: int | None = None,
) -> Attachment:
    """A file of which this text was read; what it was read from is not in the storage."""
    pk = uuid4()
    return Attachment.objects.create(
        pk=pk,
        user=user,
        conversation=conversation,
        name=name,
        kind=kind,
        content_type="text/plain",
        file=f"attachments/{user.pk}/{pk}.txt",
        bytes=len(text.encode()),
        text=text,
        characters=len(text),
        octets=len(text.encode()),
        pages=pages,
    )


def make_picture(
    user: User, name: str = "photo.png", *, content: bytes = b"", stored: bool = True
) -> Attachment:
    """A picture, in the storage unless it is not to be `stored`."""
    pk, content = uuid4(), content or picture()
    path = f"attachments/{user.pk}/{pk}.png"
    if stored:
        default_storage.save(path, ContentFile(content))
    return Attachment.objects.create(
        pk=pk,
        user=user,
        name=name,
        kind=Kind.PICTURE,
        content_type="image/png",
        file=path,
        bytes=len(content),
        width=64,
        height=64,
    )
