"""A message before it is sent: what is said in it, and where."""

from collections.abc import Sequence
from dataclasses import dataclass

from ai_chat.models import USUAL, Attachment, Beginning, Place, Setup
from ai_chat.providers.chat import Message

#: Where a conversation is begun.
NEW_CONVERSATION = Place()


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A message of a user. Its `attachments` are sent with it, and with later ones as there is
    room. `client_messages` are what the client says came before: they count until there are turns
    of the conversation, their system messages always. `beginning` is how it begins a conversation
    where there is none."""

    user_id: int
    text: str
    place: Place = NEW_CONVERSATION
    attachments: Sequence[Attachment] = ()
    client_messages: Sequence[Message] = ()
    beginning: Beginning = USUAL

    @property
    def setup(self) -> Setup:
        """How its chat is set up."""
        return (self.place.conversation or self.beginning).setup
