"""The meter's poll against a bare view, over HTTP."""

import re
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from tests.bench.measure import in_turn, rate, ratio, row
from tests.factories import make_user
from tests.live import Site, running_site

_local = threading.local()


def bench_balance(folder: Path) -> None:
    user = make_user("poll@example.com", credits=500)
    environment = {"DJANGO_SETTINGS_MODULE": "tests.bench.settings", "WEB_WORKERS": "1"}
    with running_site(environment, log=folder / "balance.log") as site:
        client = site.client(user)
        page = client.get("/usage").text
        shown = re.search(r'name="v" value="([^"]*)"', page)
        assert shown, "The page shows no meter."
        poll = f"/credits/balance?v={shown[1]}"
        cookie = f"sessionid={client.cookies['sessionid']}"
        figures = in_turn(
            {
                "bare": lambda: rate(_get(site, "/bare", cookie), threads=4),
                "unchanged": lambda: rate(_get(site, poll, cookie), threads=4),
                "changed": lambda: rate(_get(site, "/credits/balance", cookie), threads=4),
            }
        )
        best = f"{max(figures['unchanged']):.0f}/s at best"
        row("balance unchanged / bare view", ratio(figures, "unchanged", "bare"), "≥ 0.6", best)
        row("balance changed / bare view", ratio(figures, "changed", "bare"))


def _get(site: Site, path: str, cookie: str) -> Callable[[int], None]:
    """A request over a kept connection with as little client as possible: what is measured is the
    server."""
    host, port = site.base_url.removeprefix("http://").split(":")
    head = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nHX-Request: true\r\n\r\n"
    request = head.encode()

    def get(_: int) -> None:
        key = (site.base_url, path)
        if getattr(_local, "key", None) != key:
            _local.socket, _local.key = socket.create_connection((host, int(port))), key
            _local.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _local.socket.sendall(request)
        _read_response(_local.socket)

    return get


def _read_response(connection: socket.socket) -> None:
    data = b""
    while b"\r\n\r\n" not in data:
        data += _received(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    status = int(head[9:12])
    assert status in {200, 204}, head
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    while length and len(body) < int(length[1]):
        body += _received(connection)


def _received(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    assert data, "The server closed the connection."
    return data
