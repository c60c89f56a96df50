"""Keeping a chat from elsewhere. It was paid for elsewhere: its turns have no charge, and nothing
here costs credits."""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID, uuid5

from django.db import transaction
from django.utils import timezone

from ai_chat.conversations.filing import LONGEST_NAME, InvalidName, make_folder
from ai_chat.conversations.instructions import MAX_CHARACTERS
from ai_chat.conversations.services import LONGEST_TITLE
from ai_chat.imports.chats import ImportedChat, ImportedTurn, clean
from ai_chat.models import Conversation, Folder, Turn
from ai_chat.titles import title_of
from config.text import as_uuid, cut, is_blank, plain_line

LONGEST_MODEL = 120
#: Characters of a title or a folder's name that are looked at.
LONGEST_LINE = 1000
UNTITLED = "Imported chat"
#: Ids of turns are made of it, of their user and of what they are called elsewhere.
NAMESPACE = UUID("6f0c1d9e-7a3b-4c55-9f0e-3f3c1b0a7d21")
#: Between two turns of which the export has no time.
TICK = timedelta(microseconds=1)


class Kept(NamedTuple):
    """What became of a chat: its conversation, None where it is no import but here from the
    beginning; whether that is new, and how many turns are."""

    conversation: Conversation | None
    is_new: bool = False
    turns: int = 0


@transaction.atomic
def keep_import(*, user_id: int, chat: ImportedChat) -> Kept:
    """Keeps a chat, or what it has more than when it was imported before."""
    if _is_here(user_id, chat):
        return Kept(None)
    conversation, is_new = Conversation.objects.get_or_create(
        user_id=user_id,
        external_id=external_id(chat),
        defaults={
            "title": _title(chat),
            "title_is_chosen": True,
            "imported_from": chat.source,
            "instructions": clean(chat.instructions, MAX_CHARACTERS),
            "temperature": chat.temperature,
            "folder": _folder(user_id, chat.folder),
            "created_at": _moment(chat.at or chat.turns[0].at),
            "active_at": _moment(chat.active_at or chat.turns[-1].at),
            "archived_at": timezone.now() if chat.is_archived else None,
            "pinned_at": timezone.now() if chat.is_pinned else None,
        },
    )
    # A second import of the same chat waits here, and finds the turns of the first.
    conversation = Conversation.objects.select_for_update().get(pk=conversation.pk)
    before = set(conversation.turns.values_list("pk", flat=True))
    turns = _turns(conversation, chat)
    new = [each for each in turns.values() if each.pk not in before]
    Turn.objects.bulk_create(new, batch_size=200)
    # Whoever has gone on with it here stays where they are.
    if is_new or (new and conversation.current in {each.pk for each in turns.values()}):
        end = turns.get(chat.current or "") or list(turns.values())[-1]
        Conversation.objects.filter(pk=conversation.pk).update(current=end.pk)
    return Kept(conversation, is_new, len(new))


def external_id(chat: ImportedChat) -> str:
    """What a chat is known by when its file is imported again."""
    name = f"{chat.source}\0{chat.id}"
    return f"import:{sha256(name.encode(errors='surrogatepass')).hexdigest()[:40]}"


def _is_here(user_id: int, chat: ImportedChat) -> bool:
    """Whether it is a conversation of the same user's, from their own archive."""
    own = as_uuid(chat.id)
    return own is not None and Conversation.objects.filter(pk=own, user_id=user_id).exists()


def _turns(conversation: Conversation, chat: ImportedChat) -> dict[str, Turn]:
    """The turns as rows, by what they are called elsewhere. One without a time comes after those
    before it: versions stand in the order of their times."""
    names = {each.id: _id(conversation, each.id) for each in chat.turns}
    rows: dict[str, Turn] = {}
    latest = conversation.created_at
    for each in chat.turns:
        at = _moment(each.at) if each.at else latest + TICK
        latest = max(latest, at)
        rows[each.id] = _row(conversation, each, at, names)
    return rows


def _row(
    conversation: Conversation, turn: ImportedTurn, at: datetime, names: dict[str, UUID]
) -> Turn:
    return Turn(
        pk=names[turn.id],
        user_id=conversation.user_id,
        conversation=conversation,
        parent=names.get(turn.parent or ""),
        state=Turn.State.IMPORTED,
        model=cut(clean(turn.model), LONGEST_MODEL),
        prompt=turn.prompt,
        answer=turn.answer,
        reasoning=turn.reasoning,
        cut=turn.cut,
        created_at=at,
        ended_at=max(at, _moment(turn.ended_at or at)),
    )


def _id(conversation: Conversation, name: str) -> UUID:
    """The same each time, for nobody else's turns, and of no other conversation."""
    # JSON can say halves of pairs, of which no two are the same name.
    return uuid5(NAMESPACE, f"{conversation.pk}\0{name}".encode(errors="surrogatepass"))


def _moment(moment: datetime | None) -> datetime:
    """A time that has come."""
    now = timezone.now()
    return min(moment, now) if moment else now


def _title(chat: ImportedChat) -> str:
    title = plain_line(clean(chat.title, LONGEST_LINE))
    if is_blank(title):
        title = title_of(chat.turns[0].prompt, chat.turns[0].answer)
    return UNTITLED if is_blank(title) else cut(title, LONGEST_TITLE)


def _folder(user_id: int, name: str) -> Folder | None:
    """The folder of that name; None for a chat in none, and where there can be no more."""
    line = plain_line(clean(name, LONGEST_LINE))
    try:
        return make_folder(user_id=user_id, name=cut(line, LONGEST_NAME))
    except InvalidName:
        return None
