"""Requests over raw sockets, with as little client as possible: what is measured is the server."""

import json
import re
import socket
import time
from collections.abc import Callable
from typing import Self
from urllib.parse import urlencode
from uuid import uuid4

from credits.models import User
from tests.ai_chat.api.client import JSON, user_says
from tests.ai_chat.chat import EVENTS
from tests.live import CSRF, Site, session_of
from tests.waiting import PATIENCE

MODEL = "smollm2-135m"
SHORT = "[[tokens:2]]"


class Connection:
    """One kept HTTP/1.1 connection, for one request at a time."""

    def __init__(self, base_url: str) -> None:
        self.socket = connect(base_url)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def ask(self, request: bytes, mark: bytes = b"HTTP/1.1 2") -> tuple[float, float]:
        """Seconds from the request until `mark` came, and until the answer's end. Raises
        AssertionError when it is refused, breaks off or has no mark."""
        began, marked, data = time.perf_counter(), 0.0, b""
        self.socket.sendall(request)
        while not is_whole(data):
            more = self.socket.recv(65536)
            assert more, f"The answer broke off: {data[-500:]!r}"
            data += more
            if not marked and mark in data:
                marked = time.perf_counter()
        assert data[9:10] == b"2" and marked, f"The answer is not as expected: {data[-500:]!r}"
        return marked - began, time.perf_counter() - began


def connect(base_url: str) -> socket.socket:
    host, port = base_url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def is_whole(data: bytes) -> bool:
    """Whether an answer has come to its end."""
    head, blank, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    if length:
        return len(body) >= int(length[1])
    if b"transfer-encoding: chunked" in head.lower():
        return body.endswith(b"\r\n0\r\n\r\n")
    return bool(blank)


def chat_page(site: Site, user: User, message: str = SHORT) -> Callable[[], bytes]:
    """Makes requests of the chat's page, each of which sends a message in a new conversation."""
    head = _head(site, user, "/ai-chat", EVENTS, "application/x-www-form-urlencoded")

    def request() -> bytes:
        form = {"message": message, "model": MODEL, "key": uuid4().hex, "price": 1}
        return _with_body(head, urlencode(form).encode())

    return request


def chat_api(site: Site, user: User) -> Callable[[], bytes]:
    """Makes requests of a program that wants one JSON answer."""
    head = _head(site, user, "/api/ai/chat", JSON, "application/json")
    request = _with_body(head, json.dumps(user_says(SHORT)).encode())
    return lambda: request


def completion(key: str, *, stream: bool, model: str = MODEL) -> Callable[[], bytes]:
    """Makes requests of OpenAI's API: for the provider, and for whoever speaks as it does."""
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {key}\r\nContent-Type: application/json\r\n"
    ).encode()
    messages = [{"role": "user", "content": SHORT}]
    body = {"model": model, "messages": messages, "stream": stream}
    request = _with_body(head, json.dumps(body).encode())
    return lambda: request


def _head(site: Site, user: User, path: str, accept: dict[str, str], content_type: str) -> bytes:
    headers = {**accept, "Host": site.base_url.removeprefix("http://"), "Origin": site.base_url,
               "Cookie": f"sessionid={session_of(user)}; csrftoken={CSRF}", "X-CSRFToken": CSRF,
               "Content-Type": content_type}  # fmt: skip
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {path} HTTP/1.1\r\n{lines}".encode()


def _with_body(head: bytes, body: bytes) -> bytes:
    return head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
