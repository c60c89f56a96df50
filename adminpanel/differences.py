"""What differs between two states, for people: of prices (numbers), plans (objects) and whatever
else the record of admins' work holds."""

from typing import Any, NamedTuple

from django.contrib.humanize.templatetags.humanize import intcomma

from config.text import cut

#: What the fields of a plan are called.
LABELS = {"clerkId": "id", "credits": "credits a month"}
#: PostgreSQL keeps no order of keys; people expect one.
ORDER = ("clerkId", "id", "name", "label", "feature", "credits", "priceFactor", "active")
#: Values longer than this are cut: a page shows them in one line.
MAX_CHARACTERS = 120


class Difference(NamedTuple):
    """One field, and its value before and after; empty where there was none, or is none now."""

    label: str
    before: str
    after: str


def differences(before: Any, after: Any) -> list[Difference]:
    """The fields in which two states differ. Where one of them is no object, the states are one
    field without a label."""
    old, new = _fields(before), _fields(after)
    keys = [*old, *(key for key in new if key not in old)]
    labels = LABELS if "clerkId" in keys else {}
    changed = [
        Difference(labels.get(key) or _label(key), readable(old.get(key)), readable(new.get(key)))
        for key in keys
        if old.get(key) != new.get(key) or (key in old) != (key in new)
    ]
    # What was not there and is null now is nothing to read.
    return [difference for difference in changed if difference.before or difference.after]


def _fields(state: Any) -> dict[str, Any]:
    if state is None:
        return {}
    if not isinstance(state, dict):
        return {"": state}
    places = {key: place for place, key in enumerate(ORDER)}
    return dict(sorted(state.items(), key=lambda item: (places.get(item[0], len(ORDER)), item[0])))


def _label(key: str) -> str:
    """`periodEnd` and `period_end` as `period end`."""
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in key)
    return words.replace("_", " ").strip()


def readable(value: Any) -> str:
    """A value of JSON for people: numbers with separators, yes and no; "" for null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return str(intcomma(value))
    if isinstance(value, dict):
        text = ", ".join(f"{_label(key)} {readable(part)}" for key, part in value.items())
    elif isinstance(value, list):
        text = ", ".join(map(readable, value))
    else:
        text = str(value)
    return cut(text, MAX_CHARACTERS)
