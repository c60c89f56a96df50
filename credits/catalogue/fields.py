"""The rule of each field of a plan and of a price, written once: forms, the API, imports and the
services ask it, and answer with its sentence."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from config.text import is_blank
from credits.features import MAX_FEATURE_COST


@dataclass(frozen=True)
class WholeNumber:
    """A whole number of credits from `low` to `high`. A bool, a fraction and a string of digits are
    none."""

    low: int
    high: int

    @property
    def range(self) -> str:
        """Which numbers, for a sentence."""
        return f"a whole number from {self.low:,} to {self.high:,}"

    @property
    def sentence(self) -> str:
        return f"Must be {self.range}."

    @property
    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.low, "maximum": self.high}

    def accepts(self, value: object) -> TypeGuard[int]:
        return type(value) is int and self.low <= value <= self.high


@dataclass(frozen=True)
class Text:
    """A string of at most `longest` characters that `pattern` matches as a whole, and in which
    something can be seen."""

    pattern: str
    longest: int
    sentence: str

    @property
    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{self.pattern}$", "maxLength": self.longest}

    def accepts(self, value: object) -> bool:
        if not isinstance(value, str) or len(value) > self.longest:
            return False
        return re.fullmatch(self.pattern, value) is not None and not is_blank(value)


class Flag:
    """True or false; no number and no string."""

    sentence = "Must be true or false."
    schema = {"type": "boolean"}

    def accepts(self, value: object) -> bool:
        return type(value) is bool


#: Which values a field takes. `sentence` is the answer to all others, `schema` the same in JSON
#: Schema.
type Rule = WholeNumber | Text | Flag

#: Control characters, what ends a line, and what turns the letters after it around.
_UNFIT = r"\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069"
_LINE = rf"[^{_UNFIT}]*[^ {_UNFIT}][^{_UNFIT}]*"


def one_line(longest: int, opening: str = "Must be") -> Text:
    """The rule of text that is not blank, and reads as it was written: on one line."""
    return Text(_LINE, longest, f"{opening} 1 to {longest} characters on one line.")


COST = WholeNumber(0, MAX_FEATURE_COST)
PLAN_ID = Text(
    "cplan_[A-Za-z0-9_]{1,58}", 64, "Must be cplan_ and 1 to 58 letters, digits or underscores."
)
PLAN_NAME = one_line(150)
#: A month's credits.
PLAN_CREDITS = WholeNumber(0, 1_000_000_000)
PLAN_ACTIVE = Flag()
#: By the names that JSON and the history have for a plan's fields.
PLAN_FIELDS: Mapping[str, Rule] = {
    "clerkId": PLAN_ID,
    "name": PLAN_NAME,
    "credits": PLAN_CREDITS,
    "active": PLAN_ACTIVE,
}


def plan_problems(values: Mapping[str, object]) -> dict[str, str]:
    """What is wrong with these values of a plan: the sentence of each field that refuses."""
    return {
        name: rule.sentence
        for name, rule in PLAN_FIELDS.items()
        if name in values and not rule.accepts(values[name])
    }
