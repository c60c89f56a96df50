"""Reading fields of a body whose members may be any JSON: what is wrong is named by its path."""

import math
from collections.abc import Iterator
from typing import Any

from ai_chat.gateway.errors import ApiError

#: What JSON calls the types of Python that a field may have.
NAMES: dict[type, str] = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "a boolean",
    list: "an array",
    dict: "an object",
}


class InvalidParameter(ApiError):
    """A body that is not taken, 400. `param` is the path of the field that is wrong, as OpenAI
    writes it (`input[0].content`); the message never repeats a value."""

    def __init__(self, param: str, message: str, code: str) -> None:
        super().__init__(400, code, message, param=param)


def invalid(param: str, why: str) -> InvalidParameter:
    """The error for a value that nothing can be done with."""
    return InvalidParameter(param, f"Invalid value for '{param}': {why}", "invalid_value")


def wrong_type(param: str, *kinds: type) -> InvalidParameter:
    """The error for a member of another type."""
    expected = " or ".join(NAMES[kind] for kind in kinds)
    where = f" for '{param}'" if param else ""
    return InvalidParameter(param, f"Invalid type{where}: expected {expected}.", "invalid_type")


def is_kind(value: object, kind: type) -> bool:
    """Whether a JSON value is of this type. A boolean is no number; a whole float is an integer, as
    clients of languages with one type of numbers send it."""
    if isinstance(value, bool):
        return kind is bool
    if isinstance(value, float):
        return (kind is float and math.isfinite(value)) or (kind is int and value.is_integer())
    return isinstance(value, int if kind is float else kind)


class Fields:
    """One object of a body and its path. Each method raises InvalidParameter."""

    def __init__(self, value: object, path: str = "") -> None:
        if not isinstance(value, dict):
            raise wrong_type(path, dict)
        self.values: dict[str, Any] = value
        self.path = path

    def param(self, name: str) -> str:
        """The path of a member."""
        return f"{self.path}.{name}" if self.path else name

    def get(self, name: str, kind: type) -> Any:
        """A member of this type; None if it is left out or null."""
        value = self.values.get(name)
        if value is None:
            return None
        if not is_kind(value, kind):
            raise wrong_type(self.param(name), kind)
        return int(value) if kind is int else value

    def need(self, name: str, kind: type) -> Any:
        """A member that must be there."""
        value = self.get(name, kind)
        if value is None:
            param = self.param(name)
            message = f"Missing required parameter: '{param}'."
            raise InvalidParameter(param, message, "missing_required_parameter")
        return value

    def choose(self, name: str, *choices: str) -> Any:
        """A string that is one of these; None if it is left out or null."""
        value = self.get(name, str)
        if value is not None and value not in choices:
            raise invalid(self.param(name), f"must be one of {', '.join(map(repr, choices))}.")
        return value

    def object(self, name: str) -> "Fields | None":
        """A member that is an object; None if it is left out or null."""
        value = self.get(name, dict)
        return None if value is None else Fields(value, self.param(name))

    def objects(self, name: str) -> "Iterator[Fields]":
        """The objects of a list; none if it is left out or null."""
        for position, value in enumerate(self.get(name, list) or ()):
            yield Fields(value, f"{self.param(name)}[{position}]")
