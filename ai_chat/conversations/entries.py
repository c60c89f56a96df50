"""What a page of a conversation shows."""

from collections.abc import Iterator, Sequence
from itertools import batched
from typing import NamedTuple
from uuid import UUID

from django.db.models import QuerySet

from ai_chat.attachments.sending import load_files
from ai_chat.conversations.path import ALL, Entry, add_versions, path_ids, path_through
from ai_chat.conversations.rendering import render_missing, without_rendered_answers
from ai_chat.jobs.ending import reconcile
from ai_chat.models import Conversation, ImageRequest, Turn
from config.text import as_uuid

ENTRIES_SHOWN = 50


class Shown(NamedTuple):
    """Entries of a path, oldest first, with their versions, and whether there are earlier and later
    ones on that path. `is_current` says that it is the path which is shown when nothing else is
    asked for."""

    entries: Sequence[Entry]
    has_earlier: bool
    has_later: bool
    is_current: bool = True


def shown_entries(conversation: Conversation, *, before: str = "", entry: str = "") -> Shown:
    """The last ENTRIES_SHOWN entries of the path that is shown; of those that stand `before` an
    entry; or those around an `entry`, on another path if it is on that. Both are ids, and may be
    anything. Answers come as HTML."""
    if place := as_uuid(entry):
        path = path_through(conversation, place)
        if place in path:
            first = max(0, path.index(place) - ENTRIES_SHOWN // 2)
            shown = _read(conversation, path[first:], has_later=first > 0)
            return shown._replace(is_current=path[0] == conversation.current)
    if place := as_uuid(before):
        path = path_ids(conversation.pk, place, most=ENTRIES_SHOWN + 2)
        if path:
            return _read(conversation, path[1:], has_later=True)
    path = path_ids(conversation.pk, conversation.current, most=ENTRIES_SHOWN + 1)
    return _read(conversation, path, has_later=False)


def whole_path(conversation: Conversation, *, most: int = ALL) -> Iterator[list[Entry]]:
    """All entries of the path that is shown, or the latest `most`; oldest first, in batches, with
    all that they say, their files and their receipts."""
    path = path_ids(conversation.pk, conversation.current, most=most)
    for ids in batched(reversed(path), ENTRIES_SHOWN):
        yield _entries(conversation, ids, Turn.with_receipt())


def _read(conversation: Conversation, path: Sequence[UUID], *, has_later: bool) -> Shown:
    """The entries of a path, which is given from its end."""
    ids = path[:ENTRIES_SHOWN]
    entries = _entries(conversation, ids, without_rendered_answers(Turn.with_receipt()))
    render_missing(entries)
    add_versions(conversation.pk, entries)
    return Shown(entries[::-1], len(path) > len(ids), has_later)


def _entries(conversation: Conversation, ids: Sequence[UUID], turns: QuerySet[Turn]) -> list[Entry]:
    """The entries with these ids, in this order, as the ledger knows them."""
    images = ImageRequest.with_receipt().filter(pk__in=ids, conversation=conversation)
    read: list[Entry] = [*turns.filter(pk__in=ids), *images]
    load_files(each for each in read if isinstance(each, Turn))
    by_id = {each.pk: each for each in read}
    entries = [reconcile(by_id[each]) for each in ids if each in by_id]
    for each in entries:
        each.conversation = conversation
    return entries
