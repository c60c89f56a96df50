"""Responses that are kept without a call."""

from typing import Any

from ai_chat.gateway.responses.incoming import Item, read_request
from ai_chat.gateway.responses.stored import KeptItems
from credits.models import User


def output(number: int, text: str) -> Item:
    """A message with this number."""
    content = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]
    return {"type": "message", "id": f"msg_{number}", "role": "assistant", "content": content}


def keep(kept: KeptItems, number: int, *items: Any, text: str = "Hi", **body: Any) -> None:
    """A response with this number that answers these items with a message of the same number."""
    incoming = read_request({"model": "m", "input": list(items), **body}, kept)
    told = {"id": f"resp_{number}", "object": "response", "status": "completed", "store": True}
    kept.keep(incoming, {**told, **incoming.repeated, "output": [output(number, text)]})


def keep_response(user: User, text: str) -> None:
    """A response of the user's account to this text, which repeats it."""
    keep(KeptItems(user.pk), 1, {"role": "user", "content": text}, text=text)
