"""A delivery's payload as a tree that folds, without secrets."""

import json
from dataclasses import dataclass, field
from typing import Any

#: Values of these names are never shown, at whatever level.
SECRET = {
    "private_metadata", "password", "password_digest", "secret", "client_secret", "token", "ticket",
    "otp_code", "totp_secret", "backup_codes", "nonce", "magic_link", "jwt", "api_key",
}  # fmt: skip
#: Messages that Clerk sends carry codes that sign people in: their content is not shown.
MESSAGES = {"email", "sms"}
OF_MESSAGES = {"body", "body_plain", "message", "subject", "data", "html", "text"}
HIDDEN = "(hidden)"
#: Levels and members that are shown; Clerk's have 6 levels at most.
DEPTH, MEMBERS = 12, 200


@dataclass(frozen=True)
class Node:
    """A value with its name: with `children` it folds, otherwise `text` is the value as JSON."""

    name: str
    kind: str
    text: str = ""
    children: list["Node"] = field(default_factory=list)
    is_open: bool = False


def tree(payload: dict[str, Any]) -> list[Node]:
    """The members of a payload, with secrets left out."""
    return _node("", clean(payload), depth=0).children


def clean(payload: dict[str, Any]) -> dict[str, Any]:
    """The payload without secrets."""
    family = str(payload.get("type", "")).partition(".")[0]
    shown: dict[str, Any] = _clean(payload, SECRET)
    if family in MESSAGES and isinstance(shown.get("data"), dict):
        shown["data"] = _clean(shown["data"], SECRET | OF_MESSAGES)
    return shown


def _clean(value: Any, secret: set[str], depth: int = 0) -> Any:
    if depth > DEPTH:
        return "…"
    if isinstance(value, dict):
        return {
            name: HIDDEN if name.lower() in secret and member else _clean(member, secret, depth + 1)
            for name, member in value.items()
        }
    if isinstance(value, list):
        return [_clean(member, secret, depth + 1) for member in value]
    return value


def _node(name: str, value: Any, *, depth: int) -> Node:
    if isinstance(value, dict) and value:
        members, kind = list(value.items()), "object"
    elif isinstance(value, list) and value:
        members, kind = [(str(index), member) for index, member in enumerate(value)], "list"
    else:
        return Node(name, type(value).__name__, json.dumps(value, ensure_ascii=False))
    children = [_node(key, member, depth=depth + 1) for key, member in members[:MEMBERS]]
    if len(members) > MEMBERS:
        children.append(Node("", "more", f"{len(members) - MEMBERS:,} more"))
    return Node(name, kind, f"{len(members)}", children, is_open=depth < 2)
