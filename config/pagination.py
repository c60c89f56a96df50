"""Keyset pagination: pages of a list that is cut by the values of its ordering columns, so that
rows which come or go meanwhile shift no page.

A list is ordered by columns that are never null, the last of them unique (`pk`). A row's *key* is
the tuple of its values in these columns; a *cursor* is a key as text for an address, and a page
begins behind it (`older_than`) or ends in front of it (`newer_than`). "Older" is onwards in the
list's order, as in a list with the newest rows first."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Model, Q, QuerySet

type Value = int | datetime | UUID
type Key = tuple[Value, ...]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PATTERNS: dict[type, str] = {int: "-?[0-9]{1,18}", datetime: "[0-9]{1,17}", UUID: "[0-9a-f]{32}"}
NEWEST_FIRST = ("-pk",)
#: For rows whose primary keys say nothing of their age.
LATEST_FIRST = ("-created_at", "-pk")
#: The types of its key's values.
LATEST_KEY = (datetime, UUID)
#: Rows that are read or deleted at once.
BATCH = 1000


class InvalidCursor(ValueError):
    """A text that is no cursor of the list."""


def cursor_of(key: Iterable[Value]) -> str:
    """A key as text; times in microseconds since 1970."""
    return ".".join(map(_text_of, key))


def _text_of(value: Value) -> str:
    if isinstance(value, datetime):
        return str((value - EPOCH) // timedelta(microseconds=1))
    return value.hex if isinstance(value, UUID) else str(value)


def key_of(cursor: str, *kinds: type) -> Key:
    """The key that `cursor_of` made a text of; `kinds` are the types of its values: int, datetime
    or UUID. Raises InvalidCursor."""
    pattern = r"\.".join(f"({PATTERNS[kind]})" for kind in kinds)
    match = re.fullmatch(pattern, cursor)
    if match is None:
        raise InvalidCursor(cursor)
    return tuple(map(_value_of, match.groups(), kinds))


def _value_of(text: str, kind: type) -> Value:
    if kind is datetime:
        return EPOCH + timedelta(microseconds=int(text))
    return UUID(text) if kind is UUID else int(text)


@dataclass(frozen=True)
class Page[Row]:
    """Rows in the list's order. `newer` and `older` are the cursors that the pages around this one
    end and begin at, None where there is nothing more."""

    rows: list[Row]
    newer: str | None = None
    older: str | None = None

    def map[Other](self, shown: Callable[[list[Row]], list[Other]]) -> "Page[Other]":
        """The same page with what `shown` makes of its rows."""
        return Page(shown(self.rows), self.newer, self.older)


class Reading(NamedTuple):
    """Which rows to read: `limit` at most, those beyond `key` if there is one, in the list's order
    or, if `backwards`, against it."""

    order: Sequence[str]
    key: Key | None
    backwards: bool
    limit: int

    def of(self, *parts: "QuerySet[Any] | Callable[[Reading], list[Any]]") -> list[Any]:
        """The rows of a list that is made of these parts, one behind the other in its order; each
        is a list, or a function that reads it."""
        rows: list[Any] = []
        for part in reversed(parts) if self.backwards else parts:
            left = self._replace(limit=self.limit - len(rows))
            if left.limit:
                rows += part(left) if callable(part) else left.sorted(part)[: left.limit]
        return rows

    def sorted(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Those of the rows beyond the key, in the order of the reading."""
        if self.key is not None:
            rows = rows.filter(self._beyond(list(zip(self.order, self.key, strict=True))))
        rows = rows.order_by(*self.order)
        return rows.reverse() if self.backwards else rows

    def _beyond(self, columns: list[tuple[str, Value]]) -> Q:
        (column, value), *rest = columns
        name = column.removeprefix("-")
        side = "lt" if column.startswith("-") != self.backwards else "gt"
        if not rest:
            return Q(**{f"{name}__{side}": value})
        # The first condition alone bounds a scan of the index; PostgreSQL splits no OR for that.
        within = Q(**{f"{name}__{side}e": value})
        return within & (Q(**{f"{name}__{side}": value}) | self._beyond(rest))


def paginate(
    rows: QuerySet[Any] | Callable[[Reading], list[Any]],
    *,
    size: int,
    order: Sequence[str] = NEWEST_FIRST,
    older_than: Key | None = None,
    newer_than: Key | None = None,
    onwards_only: bool = False,
) -> Page[Any]:
    """The first page of a list, the one behind the key `older_than`, or the one in front of
    `newer_than`. `rows` is the list, or a function that reads it where one QuerySet is not enough
    (parts, raw SQL). With `onwards_only` nobody asks for `newer`, so it is not looked up."""

    def read(key: Key | None, *, backwards: bool, limit: int) -> list[Any]:
        reading = Reading(order, key, backwards, limit)
        return reading.of(rows) if isinstance(rows, QuerySet) else rows(reading)

    backwards = newer_than is not None
    start = newer_than if backwards else older_than
    ahead = read(start, backwards=backwards, limit=size + 1)
    if not ahead:
        return Page([])
    shown, more = ahead[:size], len(ahead) > size
    first = _key(shown[0], order)
    behind = False
    if start is not None and not (onwards_only and not backwards):
        behind = bool(read(first, backwards=not backwards, limit=1))
    if backwards:
        shown = shown[::-1]
    newer, older = (more, behind) if backwards else (behind, more)
    return Page(
        shown,
        cursor_of(_key(shown[0], order)) if newer else None,
        cursor_of(_key(shown[-1], order)) if older else None,
    )


def in_batches[Row: Model](
    rows: QuerySet[Row],
    *,
    order: Sequence[str] = NEWEST_FIRST,
    backwards: bool = False,
    size: int | None = None,
) -> Iterator[list[Row]]:
    """All rows, by as many queries as it takes: none is open between two batches, and rows that are
    added or deleted meanwhile do not shift them."""
    key = None
    while batch := Reading(order, key, backwards, size or BATCH).of(rows):
        key = _key(batch[-1], order)  # Now: a row that is deleted loses its primary key.
        yield batch


def delete_in_batches(rows: QuerySet[Any], *, size: int | None = None) -> Iterator[int]:
    """Deletes all rows, each batch in a statement of its own, so that none takes long. Yields how
    many rows each deleted, with those that went along."""
    while ids := list(rows.values_list("pk", flat=True)[: size or BATCH]):
        deleted, _ = rows.filter(pk__in=ids).delete()
        yield deleted


def _key(row: Any, order: Sequence[str]) -> Key:
    return tuple(getattr(row, column.removeprefix("-")) for column in order)
