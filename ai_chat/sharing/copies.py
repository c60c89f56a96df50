"""The frozen copy of a chat: what is shown of it now, with files of its own for the pictures."""

from collections import deque
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from django.core.files.storage import default_storage
from django.urls import reverse
from django.utils import timezone

from ai_chat import files
from ai_chat.attachments.storage import check_room
from ai_chat.conversations.entries import whole_path
from ai_chat.conversations.path import Entry
from ai_chat.conversations.rendering import render_missing
from ai_chat.imports.chats import ImportedChat, ImportedTurn
from ai_chat.jobs.models import RUNNING
from ai_chat.models import (
    Attachment,
    Conversation,
    Image,
    Share,
    ShareEntry,
    SharePicture,
    Turn,
)
from ai_chat.sharing.read_only import Picture, ReadOnlyEntry, note_of, sent_and_made
from config.errors import DomainError
from credits.models.catalogue import model_label

#: Pictures of one copy, and bytes of them together. A longer chat is shared without the others.
MOST_PICTURES = 200
MOST_BYTES = 100_000_000
#: Entries of one copy, the latest, and characters of what they say together.
MOST_ENTRIES = 5_000
MOST_CHARACTERS = 20_000_000
#: Entries of a page.
ENTRIES_SHOWN = 50

type Content = dict[str, Any]


class NothingToShare(DomainError):
    """No entry of the chat has ended yet."""

    status = 409
    code = "nothing_to_share"

    def __init__(self) -> None:
        super().__init__("There is nothing to share yet: no answer has come.")


class Copy(NamedTuple):
    """A copy that is not read yet: its entries, and the rows of its pictures, which are stored."""

    entries: list[Content]
    pictures: list[SharePicture]


def make_copy(share: Share, conversation: Conversation) -> Copy:
    """Copies the path that is shown, without entries that are still being worked on. The rows of
    the pictures are saved, so that their files are found whatever happens. Raises NothingToShare,
    StorageFull, StorageFailed."""
    pictures = _Pictures(share)
    entries: deque[Content] = deque()
    characters = 0
    for batch in whole_path(conversation, most=MOST_ENTRIES):
        for each in batch:
            if each.state != RUNNING:
                entries.append(_content(each, pictures))
                characters += _characters(entries[-1])
        # The latest, as far as there is room for them; the last one in any case.
        while characters > MOST_CHARACTERS and len(entries) > 1:
            characters -= _characters(entries.popleft())
    if not entries:
        raise NothingToShare
    shown = {name for each in entries for name in (*each["sent"], *each["pictures"])}
    return Copy([*entries], [row for row in pictures.rows if str(row.pk) in shown])


def _characters(content: Content) -> int:
    return sum(len(content[name]) for name in ("prompt", "answer", "html"))


class _Pictures:
    """The pictures of one copy, as far as there is room for them."""

    def __init__(self, share: Share) -> None:
        self.share = share
        self.rows: list[SharePicture] = []
        self.bytes = 0

    def add(self, picture: Image | Attachment) -> str | None:
        """Copies a picture; returns the id of the copy, None where there is no room for it or it is
        not in the storage."""
        if len(self.rows) >= MOST_PICTURES or self.bytes + picture.bytes > MOST_BYTES:
            return None
        try:
            with default_storage.open(picture.file) as source:
                content = source.read()
        except FileNotFoundError:
            return None
        key = uuid4()
        row = SharePicture(
            pk=key,
            share=self.share,
            file=f"{self.share.folder}/{key}.{picture.file.rpartition('.')[2]}",
            content_type=picture.content_type,
            width=picture.width or 0,
            height=picture.height or 0,
            bytes=len(content),
        )
        check_room(user_id=self.share.user_id, size=row.bytes)
        row.save(force_insert=True)
        self.rows.append(row)
        self.bytes += len(content)
        files.save(row.file, content)
        return str(key)


def _content(entry: Entry, pictures: _Pictures) -> Content:
    """An entry as a copy keeps it."""
    sent, made = sent_and_made(entry)
    turn = entry if isinstance(entry, Turn) else None
    return {
        "id": str(entry.pk),
        "at": entry.created_at.isoformat(),
        "prompt": entry.prompt,
        "model": entry.answered_by or entry.model,
        "note": note_of(entry),
        "isTurn": turn is not None,
        "answer": turn.answer if turn else "",
        "html": turn.html if turn else "",
        "htmlVersion": turn.html_version if turn else 0,
        "files": [each.name for each in sent if not each.is_picture],
        "sent": _added(pictures, (each for each in sent if each.is_picture)),
        "pictures": _added(pictures, made),
    }


def _added(pictures: _Pictures, originals: Iterable[Image | Attachment]) -> list[str]:
    return [name for name in map(pictures.add, originals) if name]


def read_copy(share: Share, *, first: int) -> tuple[list[ReadOnlyEntry], bool]:
    """ENTRIES_SHOWN entries from the position `first` on, and whether there are later ones. HTML of
    an earlier renderer is made anew: what was mended in it holds for old copies too."""
    rows = list(share.entries.filter(position__gte=first)[: ENTRIES_SHOWN + 1])
    shown = rows[:ENTRIES_SHOWN]
    pictures = share.pictures.in_bulk()
    entries = [_entry(row.content, share, pictures) for row in shown]
    by_id = {row.content["id"]: row for row in shown}

    def keep_html(turn: Turn) -> None:
        row = by_id[str(turn.pk)]
        content = {**row.content, "html": turn.html, "htmlVersion": turn.html_version}
        ShareEntry.objects.filter(pk=row.pk).update(content=content)

    render_missing((each.turn for each in entries if each.turn), keep=keep_html)
    return entries, len(rows) > len(shown)


def _entry(content: Content, share: Share, pictures: dict[UUID, SharePicture]) -> ReadOnlyEntry:
    def shown(ids: list[str]) -> list[Picture]:
        rows = [pictures[UUID(each)] for each in ids if UUID(each) in pictures]
        return [_picture(row, share) for row in rows]

    return ReadOnlyEntry(
        id=content["id"],
        at=datetime.fromisoformat(content["at"]),
        prompt=content["prompt"],
        model=model_label(content["model"]),
        note=content["note"],
        turn=_turn(content) if content["isTurn"] else None,
        files=content["files"],
        sent=shown(content["sent"]),
        pictures=shown(content["pictures"]),
    )


def _turn(content: Content) -> Turn:
    """An answer for the renderer; never saved."""
    return Turn(
        pk=UUID(content["id"]),
        answer=content["answer"],
        html=content["html"],
        html_version=content["htmlVersion"],
        state=Turn.State.ANSWERED,
    )


def _picture(row: SharePicture, share: Share) -> Picture:
    address = reverse("shared-picture", args=[share.token, row.pk])
    return Picture(address, row.width, row.height)


def as_chat(share: Share) -> ImportedChat | None:
    """The copy as a chat that a reader goes on with, without its pictures; None where the link ends
    at this moment."""
    turns: list[ImportedTurn] = []
    for content in share.entries.values_list("content", flat=True):
        at = datetime.fromisoformat(content["at"])
        turn = ImportedTurn(
            id=content["id"],
            parent=turns[-1].id if turns else None,
            prompt=content["prompt"],
            answer=content["answer"] or ("" if content["isTurn"] else "(Pictures, not copied)"),
            model=content["model"],
            at=at,
        )
        turns.append(turn)
    if not turns:
        return None
    return ImportedChat(
        id=f"share {share.pk}",
        source="a shared chat",
        title=share.title,
        turns=turns,
        at=turns[0].at,
        active_at=timezone.now(),
    )
