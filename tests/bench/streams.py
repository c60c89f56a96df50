"""Streams: what the site adds before the first token, and what 200 open ones cost."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import openai

from credits.models import Hold, User
from tests.ai_chat.chat import EVENTS, Chat
from tests.bench.measure import row
from tests.factories import make_user
from tests.live import Site, running_site
from tests.processes import ROOT, free_port

TURNS = 60
STREAMS = 200
#: Of each open stream, four a second: site, provider and 200 readers share this machine's cores.
TOKENS = 150


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


def bench_first_token(folder: Path) -> None:
    user = make_user("first@example.com", credits=10**6)
    with fake_provider(folder) as base_url:
        environment = {"OPENAI_BASE_URL": base_url, "WEB_WORKERS": "1"}
        with running_site(environment, log=folder / "first.log") as site:
            sdk = openai.OpenAI(base_url=base_url, api_key="none", max_retries=0)
            with _page(site, user) as through:
                for _ in range(5):
                    _direct(sdk), through()
                pairs = [(_direct(sdk), through()) for _ in range(TURNS)]
    added = [(through - direct) * 1000 for direct, through in pairs]
    note = f"ms; direct {median(d for d, _ in pairs) * 1000:.1f} ms"
    row("first token: added by the site, median", median(added), "≤ 10", note)


def _direct(sdk: openai.OpenAI) -> float:
    began = time.perf_counter()
    stream = sdk.chat.completions.create(
        model="smollm2-135m", messages=[{"role": "user", "content": "[[tokens:2]]"}], stream=True
    )
    with stream:
        for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                return time.perf_counter() - began
    raise AssertionError("no token came")


@contextmanager
def _page(site: Site, user: User) -> Iterator[Callable[[], float]]:
    """A page on a kept connection, with as little client as possible: what is measured is the
    site. Calling it sends a message, and returns the seconds until its first words were there."""
    host, port = site.base_url.removeprefix("http://").split(":")
    client = site.client(user)
    cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    headers = {**EVENTS, "Host": f"{host}:{port}", "Cookie": cookies, "Origin": site.base_url,
               "X-CSRFToken": client.headers["X-CSRFToken"],
               "Content-Type": "application/x-www-form-urlencoded"}  # fmt: skip
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())

    def send() -> float:
        form = {"message": "[[tokens:2]]", "model": "smollm2-135m", "key": uuid4().hex, "price": 1}
        body = urlencode(form)
        request = f"POST /ai-chat HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n{body}"
        began = time.perf_counter()
        connection.sendall(request.encode())
        answer = _received_until(b"event: tail", connection)
        taken = time.perf_counter() - began
        _received_until(b"\r\n0\r\n\r\n", connection, answer)
        return taken

    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield send


def _received_until(mark: bytes, connection: socket.socket, data: bytes = b"") -> bytes:
    while mark not in data:
        more = connection.recv(65536)
        assert more, f"The stream ended without {mark!r}: {data!r}"
        data += more
    return data


def bench_open_streams(folder: Path) -> None:
    people = [make_user(f"stream{n}@example.com", credits=10) for n in range(STREAMS)]
    with fake_provider(folder) as base_url:
        environment = {
            "OPENAI_BASE_URL": base_url,
            "WEB_THREADS": str(STREAMS + 20),
            "DATABASE_POOL_SIZE": "8",
        }
        with running_site(environment, log=folder / "streams.log") as site:
            chats = [Chat(site, person) for person in people]
            chats[0].send("[[tokens:5]]")
            before = _memory(site)
            with ThreadPoolExecutor(STREAMS) as pool:
                answers = [pool.submit(_stream, chat, n * 0.05) for n, chat in enumerate(chats)]
                while Hold.objects.count() < STREAMS and not all(a.done() for a in answers):
                    time.sleep(0.2)
                time.sleep(2)
                open_now, during = Hold.objects.count(), _memory(site)
                lost = sum(answer.result() for answer in answers)
    row(f"{open_now} open streams: tokens lost", lost, "0")
    row("memory of an open stream", (during - before) / max(open_now, 1) / 1024, "", "MiB")


def _stream(chat: Chat, wait: float) -> int:
    """Runs a long turn, begun after `wait` seconds: what is measured is many open streams, not
    their beginning at once. Returns how many of its tokens did not reach the page."""
    time.sleep(wait)
    answer = chat.send(f"[[tokens:{TOKENS}]] [[delay:0.25]]")
    assert answer.status == 200, answer.body
    return TOKENS - answer.events[-1][1].count("word")


def _memory(site: Site) -> int:
    """Resident memory of the workers, in KiB."""
    pids = ",".join(map(str, site.workers()))
    out = subprocess.run(
        ["ps", "-o", "rss=", "-p", pids], check=True, capture_output=True, text=True
    )
    return sum(int(line) for line in out.stdout.split())
