"""From the client's messages to those for the model."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings

from ai_chat.providers.chat import Message

ADDRESS_CHARACTERS = 2000


def text_of(message: dict[str, Any], attachments: Iterable[dict[str, Any]] = ()) -> str:
    """A message's text; its files and attachments are listed by name and address, not read."""
    parts = message["parts"]
    texts = [part["text"] for part in parts if part["type"] == "text"]
    files = [*(part for part in parts if part["type"] == "file"), *attachments]
    if files:
        texts.append("Attached:\n" + "\n".join(map(_line, files)))
    return "\n\n".join(text for text in texts if text.strip())


def _line(file: dict[str, Any]) -> str:
    name = file.get("name") or file.get("filename") or "file"
    media_type = file.get("contentType") or file.get("mediaType")
    address = file["url"]
    if address.startswith("data:"):
        address = "(its content was not sent on)"
    about = f"{name} ({media_type})" if media_type else name
    return f"- {about}: {address[:ADDRESS_CHARACTERS]}"


def recent_messages(messages: list[dict[str, Any]], prompt: str) -> list[Message]:
    """The prompt, and before it as many of the latest messages as fit in HISTORY_MAX_CHARACTERS;
    a leading system message has its place before them."""
    room = settings.HISTORY_MAX_CHARACTERS - len(prompt)
    past: list[Message] = [
        {"role": message["role"], "content": text}
        for message in messages[:-1]
        if (text := text_of(message))
    ]
    leading = past[:1] if past and past[0]["role"] == "system" else []
    room -= sum(len(message["content"]) for message in leading)
    leading = leading if room >= 0 else []
    kept: list[Message] = []
    for message in reversed(past[len(leading) :]):
        room -= len(message["content"])
        if room < 0:
            break
        kept.insert(0, message)
    return [*leading, *kept, {"role": "user", "content": prompt}]
