"""A program at the JSON API: posts chats as the AI SDK does and reads the stream's parts."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from credits.ledger import get_balance
from credits.models import User
from tests.live import Site

JSON = {"Accept": "application/json"}


def user_says(text: str, **more: Any) -> dict[str, Any]:
    """A body as `DefaultChatTransport` makes it, with one message, in a chat of its own unless
    there is an `id`."""
    message = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": text}]}
    return {"messages": [message], "trigger": "submit-message", **more}


def message(role: str, *parts: str | dict[str, Any], **more: Any) -> dict[str, Any]:
    """A UI message; a text stands for its part."""
    made = [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts]
    return {"role": role, "parts": made, **more}


def parts_of(response: httpx.Response) -> list[dict[str, Any]]:
    """The parts of a UI message stream; its last line must be the end mark."""
    lines = [line for line in response.read().decode().splitlines() if line.startswith("data: ")]
    assert lines[-1] == "data: [DONE]", f"The stream did not end: {lines[-3:]}"
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


class Program:
    def __init__(self, site: Site, user: User) -> None:
        self.user = user
        self.site = site
        self.client = site.client(user)

    def chat(self, text: str, *, key: str = "", **more: Any) -> httpx.Response:
        """The whole stream."""
        with self.streaming(text, key=key, **more) as response:
            response.read()
            return response

    @contextmanager
    def streaming(self, text: str, *, key: str = "", **more: Any) -> Iterator[httpx.Response]:
        headers = {"Idempotency-Key": key} if key else {}
        body = user_says(text, **more)
        with self.client.stream("POST", "/api/ai/chat", json=body, headers=headers) as response:
            yield response

    def ask(self, text: str, *, key: str = "", **more: Any) -> httpx.Response:
        """One JSON answer."""
        headers = JSON | ({"Idempotency-Key": key} if key else {})
        return self.client.post("/api/ai/chat", json=user_says(text, **more), headers=headers)

    def post(self, *messages: dict[str, Any], **more: Any) -> httpx.Response:
        """One JSON answer to messages of our own making."""
        body = {"messages": messages, **more}
        return self.client.post("/api/ai/chat", json=body, headers=JSON)

    def paint(self, prompt: str, *, key: str = "", **more: Any) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key else {}
        body = {"prompt": prompt, "size": "64x64", **more}
        return self.client.post("/api/ai/image", json=body, headers=headers)

    @property
    def balance(self) -> int:
        return get_balance(user_id=self.user.pk).remaining
