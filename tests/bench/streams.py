"""Answers: what the site adds to the provider's first token and to a whole JSON answer, and what
many open streams cost."""

import json
import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import cast
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import openai

from credits.models import User
from tests.ai_chat.api.client import JSON, user_says
from tests.ai_chat.chat import EVENTS
from tests.bench.measure import row
from tests.factories import make_user
from tests.live import Site, running_site
from tests.processes import ROOT, free_port

TURNS = 60
STREAMS = int(os.environ.get("BENCH_STREAMS", "400"))
#: Of each open stream, one a second: site, provider and readers share this machine's cores.
TOKENS = 30
#: Seconds over which the streams are opened: what is measured is many open ones.
OPENING = 20


@contextmanager
def fake_provider(folder: Path) -> Iterator[str]:
    """The fake provider in a process of its own: its work must not count as the site's."""
    port = free_port()
    command = [sys.executable, "-m", "tests.fakes.provider", "--port", str(port)]
    process = subprocess.Popen([*command, "--log", str(folder / "provider.log")], cwd=ROOT)
    base_url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                httpx.get(f"{base_url}/healthz").raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(0.05)
        yield f"{base_url}/v1"
    finally:
        process.terminate()
        process.wait()


def bench_answers(folder: Path) -> None:
    """First token of the page and whole JSON answer, each beside the same call made directly."""
    user = make_user("first@example.com", credits=10**6)
    with fake_provider(folder) as base_url:
        environment = {
            "OPENAI_BASE_URL": base_url,
            "WEB_WORKERS": "1",
            "REQUESTS_PER_MINUTE": "10000",
        }
        with running_site(environment, log=folder / "first.log") as site:
            sdk = openai.OpenAI(base_url=base_url, api_key="none", max_retries=0)
            with _connected(site) as connection:
                page, program = _page(site, user), _program(site, user)
                first = _pairs(
                    lambda: _direct(sdk, whole=False),
                    lambda: _answered(connection, page(), b"event: tail"),
                )
                before = _cpu(site)
                whole = _pairs(
                    lambda: _direct(sdk, whole=True),
                    lambda: _answered(connection, program(), b'"receipt"'),
                )
                cpu = (_cpu(site) - before) / (TURNS + 5)
    _report("first token", first, "≤ 10")
    _report("whole JSON answer", whole, "≤ 24", f"; {cpu * 1000:.1f} ms CPU a request")


def _pairs(direct: Callable[[], float], through: Callable[[], float]) -> list[tuple[float, float]]:
    for _ in range(5):
        direct(), through()
    return [(direct(), through()) for _ in range(TURNS)]


def _report(what: str, pairs: list[tuple[float, float]], target: str, note: str = "") -> None:
    added = [(through - direct) * 1000 for direct, through in pairs]
    direct = f"ms; direct {median(d for d, _ in pairs) * 1000:.1f} ms{note}"
    row(f"{what}: added by the site, median", median(added), target, direct)
    row(f"{what}: added by the site, p99", quantiles(added, n=100)[98])


def _direct(sdk: openai.OpenAI, *, whole: bool) -> float:
    began = time.perf_counter()
    stream = sdk.chat.completions.create(
        model="smollm2-135m", messages=[{"role": "user", "content": "[[tokens:2]]"}], stream=True
    )
    with stream:
        for chunk in stream:
            if not whole and chunk.choices and chunk.choices[0].delta.content:
                return time.perf_counter() - began
    assert whole, "no token came"
    return time.perf_counter() - began


@contextmanager
def _connected(site: Site) -> Iterator[socket.socket]:
    host, port = site.base_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield connection


def _page(site: Site, user: User, message: str = "[[tokens:2]]") -> Callable[[], bytes]:
    """The request of the chat's page that sends a message."""
    head = _head(site, user, "/ai-chat", EVENTS, "application/x-www-form-urlencoded")

    def request() -> bytes:
        form = {"message": message, "model": "smollm2-135m", "key": uuid4().hex, "price": 1}
        body = urlencode(form).encode()
        return head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)

    return request


def _program(site: Site, user: User) -> Callable[[], bytes]:
    """The request of a program that wants one JSON answer."""
    head = _head(site, user, "/api/ai/chat", JSON, "application/json")
    body = json.dumps(user_says("[[tokens:2]]")).encode()
    return lambda: head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def _head(site: Site, user: User, path: str, accept: dict[str, str], content_type: str) -> bytes:
    client = site.client(user)
    cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    headers = {**accept, "Host": site.base_url.removeprefix("http://"), "Cookie": cookies,
               "Origin": site.base_url, "X-CSRFToken": client.headers["X-CSRFToken"],
               "Content-Type": content_type}  # fmt: skip
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {path} HTTP/1.1\r\n{lines}".encode()


def _answered(connection: socket.socket, request: bytes, mark: bytes) -> float:
    """Seconds from the request until `mark` was there; reads the answer to its end. As little
    client as possible: what is measured is the site."""
    began = time.perf_counter()
    connection.sendall(request)
    answer = _received_until(mark, connection)
    taken = time.perf_counter() - began
    if b"event: tail" in answer:
        _received_until(b"\r\n0\r\n\r\n", connection, answer)
    return taken


def _received_until(mark: bytes, connection: socket.socket, data: bytes = b"") -> bytes:
    while mark not in data:
        more = connection.recv(65536)
        assert more, f"The stream ended without {mark!r}: {data!r}"
        data += more
    return data


def bench_open_streams(folder: Path) -> None:
    """Opens STREAMS streams of TOKENS tokens, one a second, and reads them all to their end."""
    people = [make_user(f"stream{n}@example.com", credits=10) for n in range(STREAMS)]
    with fake_provider(folder) as base_url:
        environment = {"OPENAI_BASE_URL": base_url, "WEB_THREADS": str(max(256, STREAMS * 2 // 3))}
        with running_site(environment, log=folder / "streams.log") as site:
            with _connected(site) as connection:
                warm = _page(site, people[0])()
                _answered(connection, warm, b"event: tail")
            message = f"[[tokens:{TOKENS}]] [[delay:1]]"
            requests = [_page(site, person, message)() for person in people]
            memory, cpu = _memory(site), _cpu(site)
            streams, peak = _read_streams(site, requests)
            cpu = (_cpu(site) - cpu) / STREAMS
    whole = [stream for stream in streams if stream.words() == TOKENS]
    # The provider waits a second before each token.
    first = [(stream.first - stream.began - 1) * 1000 for stream in streams if stream.first]
    refused = sum(b" 503 " in stream.data[:40] for stream in streams)
    row(f"{STREAMS} open streams: not whole", STREAMS - len(whole), "0", f"{refused} refused")
    row("first token, median", median(first), "≤ 50", "ms beyond the provider's second")
    row("first token, p99", quantiles(first, n=100)[98], "≤ 500", "ms")
    row(f"CPU of a stream of {TOKENS} s", cpu * 1000, "≤ 45", "ms")
    row("memory of an open stream", (peak - memory) / STREAMS / 1024, "", "MiB")


@dataclass
class _Stream:
    began: float
    first: float = 0
    data: bytes = b""

    def words(self) -> int:
        """Words of the whole answer, with which the stream ends."""
        return self.data.rpartition(b"event: end")[2].count(b"word")


def _read_streams(site: Site, requests: list[bytes]) -> tuple[list[_Stream], int]:
    """All streams, read by one thread, and the workers' memory when all were open."""
    host, port = site.base_url.removeprefix("http://").split(":")
    began, peak = time.perf_counter(), 0
    streams: list[_Stream] = []
    with selectors.DefaultSelector() as selector:
        while len(streams) < len(requests) or selector.get_map():
            now = time.perf_counter()
            if len(streams) < len(requests) and now >= began + len(streams) * OPENING / len(
                requests
            ):
                connection = socket.create_connection((host, int(port)), timeout=60)
                connection.sendall(requests[len(streams)])
                streams.append(_Stream(time.perf_counter()))
                selector.register(connection, selectors.EVENT_READ, streams[-1])
                peak = _memory(site) if len(streams) == len(requests) else peak
            for key, _ in selector.select(0.002):
                _receive(selector, cast(socket.socket, key.fileobj), key.data)
    return streams, peak


def _receive(selector: selectors.BaseSelector, connection: socket.socket, stream: _Stream) -> None:
    more = connection.recv(65536)
    stream.data += more
    if not stream.first and b"event: tail" in stream.data:
        stream.first = time.perf_counter()
    if not more or stream.data.endswith(b"\r\n0\r\n\r\n") or b" 503 " in stream.data[:40]:
        selector.unregister(connection)
        connection.close()


def _memory(site: Site) -> int:
    """Resident memory of the workers, in KiB."""
    return _of_workers(site, "rss")


def _cpu(site: Site) -> float:
    """Seconds of processor time that the workers have used."""
    ticks = 0
    for pid in site.workers():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _of_workers(site: Site, figure: str) -> int:
    pids = ",".join(map(str, site.workers()))
    command = ["ps", "-o", f"{figure}=", "-p", pids]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return sum(int(line) for line in out.split())
