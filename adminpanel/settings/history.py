"""Changes of prices and plans as the pages show them: what differed, and whether it stands."""

from collections.abc import Iterable
from typing import NamedTuple

from adminpanel.differences import Difference, differences
from config.pagination import Key, Page, paginate
from credits.catalogue.history import current_states, stands
from credits.features import FEATURES
from credits.models import SettingsChange


class Line(NamedTuple):
    """A change. `stands` says that what it left is still there, so that it can be undone."""

    change: SettingsChange
    what: str
    differences: list[Difference]
    stands: bool


def get_changes(*, older_than: Key | None = None, size: int = 50) -> Page[Line]:
    """A page of changes, newest first."""
    changes = SettingsChange.objects.all()
    return paginate(changes, size=size, older_than=older_than, onwards_only=True).map(as_lines)


def as_lines(changes: Iterable[SettingsChange]) -> list[Line]:
    states = current_states()
    return [
        Line(row, what_of(row), differences(row.before, row.after), stands(row, states))
        for row in changes
    ]


def what_of(change: SettingsChange) -> str:
    """What was done, for people."""
    if change.subject == SettingsChange.Subject.PRICE:
        feature = FEATURES.get(change.name)
        return feature.label if feature else change.name
    name = (change.after or change.before or {}).get("name", change.name)
    if change.before is None:
        return f"{name} added"
    return f"{name} removed" if change.after is None else str(name)
