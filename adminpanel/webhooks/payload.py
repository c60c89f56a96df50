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
    is_message = str(payload.get("type", "")).partition(".")[0] in MESSAGES
    secret = SECRET | OF_MESSAGES if is_message else SECRET
    return _node("", payload, secret, depth=0).children


def _node(name: str, value: Any, secret: set[str], *, depth: int) -> Node:
    if depth > DEPTH:
        value = "…"
    if isinstance(value, dict) and value:
        members, kind = list(value.items()), "object"
    elif isinstance(value, list) and value:
        members, kind = [(str(index), member) for index, member in enumerate(value)], "list"
    else:
        return Node(name, type(value).__name__, json.dumps(value, ensure_ascii=False))
    hidden = secret if depth else SECRET  # The event itself has a member `data`.
    children = [
        _node(key, HIDDEN if member and key.lower() in hidden else member, secret, depth=depth + 1)
        for key, member in members[:MEMBERS]
    ]
    if len(members) > MEMBERS:
        children.append(Node("", "more", f"{len(members) - MEMBERS:,} more"))
    return Node(name, kind, f"{len(members)}", children, is_open=depth < 2)
