"""The tree of a conversation: its entries (turns and image requests), the path through them that is
shown, and the versions beside each."""

from collections.abc import Sequence
from uuid import UUID

from django.db import connection

from ai_chat.models import Conversation, ImageRequest, Place, Turn, Versions
from credits.sql import fetch_all

#: More entries than any conversation has.
ALL = 2**31 - 1

type Entry = Turn | ImageRequest


def end_of(conversation: Conversation | None) -> Place:
    """After what is shown last."""
    return Place(conversation, conversation.current if conversation else None)


def beside(entry: Entry) -> Place:
    """As another version of an entry of a conversation."""
    return Place(entry.conversation, entry.parent, is_version=True)


def path_ids(conversation_id: UUID, last: UUID | None, *, most: int = ALL) -> list[UUID]:
    """The ids of the entries on the path that ends with `last`, from its end, at most so many."""
    if last is None:
        return []
    query = "SELECT id FROM ai_chat_path(%s, %s, %s) ORDER BY depth"
    return [row[0] for row in fetch_all(query, [conversation_id, last, most])]


def path_through(conversation: Conversation, entry: UUID) -> list[UUID]:
    """The ids of the path that is shown, from its end, if the entry is on it; else those of the
    path through the entry that always goes on with the latest version; none if it is no entry of
    the conversation."""
    shown = path_ids(conversation.pk, conversation.current)
    if entry in shown:
        return shown
    return path_ids(conversation.pk, last_after(conversation, entry))


def last_after(conversation: Conversation, entry: UUID) -> UUID:
    """The end of the path that goes on from an entry, always with the latest version."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT ai_chat_last_after(%s, %s)", [conversation.pk, entry])
        last: UUID = cursor.fetchone()[0]
    return last


def show_version(*, conversation: Conversation, entry: UUID) -> bool:
    """Makes the path through an entry the one that is shown; False if it is none of the
    conversation's."""
    path = path_through(conversation, entry)
    if path:
        Conversation.objects.filter(pk=conversation.pk).update(current=path[0])
    return bool(path)


def add_versions(conversation_id: UUID, entries: Sequence[Entry]) -> None:
    """Adds their `versions` to those entries of a conversation that have others beside them."""
    # The conversation is read once, not once for each of them.
    query = """
        SELECT array_agg(e.id ORDER BY e.created_at, e.id)
        FROM ai_chat_entries(%(chat)s) e
        WHERE e.parent = ANY(%(parents)s::uuid[]) OR (e.parent IS NULL AND %(has_first)s)
        GROUP BY e.parent HAVING count(*) > 1
    """
    parents = {each.parent for each in entries}
    values = {
        "chat": conversation_id,
        "parents": [*parents - {None}],
        "has_first": None in parents,
    }
    versions = {}
    for (ids,) in fetch_all(query, values):
        beside = [None, *ids, None]
        for number, each in enumerate(ids, 1):
            versions[each] = Versions(number, len(ids), beside[number - 1], beside[number + 1])
    for entry in entries:
        entry.versions = versions.get(entry.pk)
