"""What models are told before the messages of a chat, always in this order: the house rule, the
account's instructions, those of the chat's preset, and the chat's own. A client's system messages
follow. `/v1` is not concerned: programs send their own."""

from typing import NamedTuple
from uuid import UUID

from ai_chat.conversations.drafts import Draft
from credits.sql import fetch_all

#: Of each of them. With the default of HISTORY_MAX_CHARACTERS there is room for a conversation too.
MAX_CHARACTERS = 4_000

# One round trip: it is asked before each message, and by each button that shows a price by tokens.
_TOLD = """
    SELECT coalesce((SELECT s.house_rule FROM ai_chat_chatsettings s), ''),
        coalesce((SELECT a.instructions FROM ai_chat_chatpreferences a WHERE a.user_id = %(user)s),
            ''),
        coalesce(p.instructions, ''), p.temperature, {path}
    FROM (VALUES (1)) AS always
    LEFT JOIN ai_chat_preset p
        ON p.id = %(preset)s AND (p.user_id = %(user)s OR p.user_id IS NULL)
"""
_PATH = """
    ARRAY(SELECT e.id FROM ai_chat_path(%(chat)s, %(last)s, %(most)s) e ORDER BY e.depth)
"""


class Instructions(NamedTuple):
    """Those of a chat, each text empty where there is none, and the temperature of what models
    write: the chat's, else the preset's, None for their own."""

    house_rule: str
    account: str
    preset: str
    chat: str
    temperature: float | None

    @property
    def texts(self) -> tuple[str, str, str, str]:
        """In the order in which models are sent them."""
        return self.house_rule, self.account, self.preset, self.chat


NO_INSTRUCTIONS = Instructions("", "", "", "", None)


def told_in(draft: Draft) -> Instructions:
    """The instructions of the model that answers a draft. A preset of another user is none."""
    instructions, _ = told_with_path(draft, most=0)
    return instructions


def told_with_path(draft: Draft, *, most: int) -> tuple[Instructions, list[UUID]]:
    """The same, and the ids of the entries on the path that the draft goes on from, from its end,
    at most so many."""
    setup, place = draft.setup, draft.place
    values = {
        "user": draft.user_id,
        "preset": setup.preset_id,
        "chat": place.conversation_id,
        "last": place.parent,
        "most": most,
    }
    query = _TOLD.format(path=_PATH if most and place.parent else "'{}'::uuid[]")
    [(rule, account, preset, temperature, path)] = fetch_all(query, values)
    if setup.temperature is not None:
        temperature = setup.temperature
    return Instructions(rule, account, preset, setup.instructions, temperature), path
