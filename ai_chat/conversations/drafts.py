"""A message before it is sent: what is said in it, and where."""

from collections.abc import Sequence
from dataclasses import dataclass

from ai_chat.conversations.path import Place
from ai_chat.models import UNFILED, Attachment, Filing
from ai_chat.providers.chat import Message, Part

#: Where a conversation is begun.
BEGINNING = Place()


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A message of a user. `files` go with it once, as the client sent them; `attachments` are
    kept, and are sent with every later message too. `client_messages` are what the client says came
    before: they count until there are turns of the conversation, their system messages always.
    `filing` is of a conversation that it begins."""

    user_id: int
    text: str
    place: Place = BEGINNING
    attachments: Sequence[Attachment] = ()
    files: Sequence[Part] = ()
    client_messages: Sequence[Message] = ()
    filing: Filing = UNFILED
