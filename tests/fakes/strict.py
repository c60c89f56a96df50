"""What the strictest models want of the messages of a call; the others take less."""

from collections.abc import Sequence
from typing import Any


def problem_of(messages: Sequence[Any]) -> str:
    """What is wrong with the messages of a chat completion; empty if a model takes them that has an
    optional system message first, and then user and assistant in turns, none of them empty."""
    roles = [message["role"] for message in messages]
    if roles[:1] == ["system"]:
        roles = roles[1:]
    if not roles or roles[-1] != "user":
        return "the last message must be the user's"
    expected = ["user" if place % 2 == 0 else "assistant" for place in range(len(roles))]
    if roles != expected:
        return f"roles must alternate user/assistant: {roles}"
    return "" if all(map(_has_content, messages)) else "a message is empty"


def _has_content(message: Any) -> bool:
    content = message["content"]
    if isinstance(content, str):
        return bool(content.strip())
    return bool(content) and all(part.get("text", "-").strip() for part in content)
