"""All that an account keeps, in one list: files of messages, and pictures that were made."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import F, QuerySet

from ai_chat.models import Attachment, Conversation, Image
from config.pagination import LATEST_FIRST, LATEST_KEY, Key, Page, Reading, key_of, paginate
from config.text import as_uuid

SHOWN = 50
#: What the list can be ordered by, and the types of a place in it.
ORDERS: dict[str, tuple[Sequence[str], tuple[type, ...]]] = {
    "newest": (LATEST_FIRST, LATEST_KEY),
    "largest": (("-bytes", "-created_at", "-pk"), (int, *LATEST_KEY)),
}


class Kept(NamedTuple):
    """A file or a picture of the list; `value` names it in a form."""

    row: Any
    value: str
    name: str
    conversation: Conversation | None

    @property
    def is_made(self) -> bool:
        """Whether it is a picture that was made here."""
        return isinstance(self.row, Image)


def kept_page(*, user_id: int, order: str, before: str = "", after: str = "") -> Page[Kept]:
    """A page of what the account keeps, in one of ORDERS. Raises InvalidCursor."""
    columns, kinds = ORDERS[order]
    older: Key | None = key_of(before, *kinds) if before else None
    newer: Key | None = key_of(after, *kinds) if after else None
    files, pictures = _files(user_id), _pictures(user_id)

    def read(reading: Reading) -> list[Any]:
        rows = [*reading.of(files), *reading.of(pictures)]
        names = [column.removeprefix("-") for column in columns]
        rows.sort(
            key=lambda row: [getattr(row, name) for name in names], reverse=not reading.backwards
        )
        return rows[: reading.limit]

    page = paginate(read, size=SHOWN, order=columns, older_than=older, newer_than=newer)
    return page.map(_shown)


def kept_items(*, user_id: int, values: Iterable[str]) -> list[Kept]:
    """Those of the account's files and pictures that a form names; what is not there is left
    out."""
    ids: dict[str, list[UUID]] = defaultdict(list)
    for value in values:
        kind, _, text = value.partition(":")
        if key := as_uuid(text):
            ids[kind].append(key)
    files = _files(user_id).filter(pk__in=ids["file"])
    return _shown([*files, *_pictures(user_id).filter(pk__in=ids["picture"])])


def _files(user_id: int) -> QuerySet[Attachment]:
    files = Attachment.objects.filter(user_id=user_id)
    return files.select_related("conversation").defer("text")


def _pictures(user_id: int) -> QuerySet[Any]:
    pictures = Image.objects.filter(request__user_id=user_id)
    return pictures.annotate(created_at=F("request__created_at")).select_related(
        "request__conversation"
    )


def _shown(rows: list[Any]) -> list[Kept]:
    return [
        Kept(row, f"picture:{row.pk}", row.request.prompt, row.request.conversation)
        if isinstance(row, Image)
        else Kept(row, f"file:{row.pk}", row.name, row.conversation)
        for row in rows
    ]
