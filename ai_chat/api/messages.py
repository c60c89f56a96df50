"""From the client's messages to what the model is told."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings

from ai_chat.providers.chat import Message

ADDRESS_CHARACTERS = 2000


def prompt_of(body: dict[str, Any]) -> str:
    """The user's last message, with everything attached to it as a list of names and addresses."""
    attached = [
        _line(
            each.get("name") or each.get("filename", ""),
            each.get("contentType") or each.get("mediaType", ""),
            each["url"],
        )
        for each in body.get("attachments") or []
    ]
    return text_of(body["messages"][-1], attached)


def text_of(message: dict[str, Any], attached: Iterable[str] = ()) -> str:
    """A message's text; files are listed, not read."""
    parts = message["parts"]
    texts = [part["text"] for part in parts if part["type"] == "text"]
    files = [
        _line(part.get("filename", ""), part["mediaType"], part["url"])
        for part in parts
        if part["type"] == "file"
    ]
    listed = [*files, *attached]
    if listed:
        texts.append("Attached:\n" + "\n".join(listed))
    return "\n\n".join(text for text in texts if text.strip())


def _line(name: str, kind: str, address: str) -> str:
    if address.startswith("data:"):
        address = "(its content was not sent on)"
    about = f"{name or 'file'} ({kind})" if kind else name or "file"
    return f"- {about}: {address[:ADDRESS_CHARACTERS]}"


def told(messages: list[dict[str, Any]], prompt: str) -> list[Message]:
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
