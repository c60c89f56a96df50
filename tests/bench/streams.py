"""What many open streams cost."""

import os
import selectors
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import cast

from tests.bench.answers import fake_provider
from tests.bench.clients import Connection, chat_page, connect, is_whole
from tests.bench.measure import cpu_seconds, p99, resident_mib, row
from tests.factories import make_user
from tests.live import Site, running_site
from tests.waiting import PATIENCE

STREAMS = int(os.environ.get("BENCH_STREAMS", "400"))
#: Of each open stream, one a second: site, provider and readers share this machine's cores.
TOKENS = 30
#: Seconds over which the streams are opened: what is measured is many open ones.
OPENING = 20
#: Milliseconds that the provider waits before each token.
DELAY = 1000


def bench_open_streams(folder: Path) -> None:
    """Opens STREAMS streams of TOKENS tokens, one a second, and reads them all to their end."""
    people = [make_user(f"stream{n}@example.com", credits=10) for n in range(STREAMS)]
    threads = str(max(256, STREAMS * 2 // 3))
    with fake_provider(folder) as provider:
        environment = {"OPENAI_BASE_URL": f"{provider}/v1", "WEB_THREADS": threads}
        with running_site(environment, log=folder / "streams.log") as site:
            with Connection(site.base_url) as connection:
                connection.ask(chat_page(site, people[0])())
            message = f"[[tokens:{TOKENS}]] [[delay:{DELAY / 1000:g}]]"
            requests = [chat_page(site, person, message)() for person in people]
            memory, cpu = resident_mib(site.workers()), cpu_seconds(site.workers())
            streams, peak = _read_streams(site, requests)
            cpu = cpu_seconds(site.workers()) - cpu
    lost = sum(stream.words() < TOKENS for stream in streams)
    refused = sum(stream.is_refused() for stream in streams)
    first = [(stream.first - stream.began) * 1000 - DELAY for stream in streams if stream.first]
    row(f"{STREAMS} open streams: lost", lost, "0", f"of these {refused} refused, not charged")
    if len(first) > 1:
        row("first token among them, median", median(first), "≤ 50", "ms beyond the provider's")
        row("first token among them, p99", p99(first), "≤ 500", "ms")
    row(f"CPU of a stream of {TOKENS} s", cpu / STREAMS * 1000, "≤ 45", "ms")
    row("memory of an open stream", (peak - memory) / STREAMS, "", "MiB")


@dataclass
class _Stream:
    began: float
    first: float = 0
    data: bytes = b""

    def words(self) -> int:
        """Words of the whole answer, with which the stream ends."""
        return self.data.rpartition(b"event: end")[2].count(b"word")

    def is_refused(self) -> bool:
        return self.data[9:12] == b"503"


def _read_streams(site: Site, requests: list[bytes]) -> tuple[list[_Stream], float]:
    """All streams, read by one thread, and the workers' memory (MiB) when all were open. Gives up
    on those that are left when nothing at all has come for PATIENCE."""
    began = latest = time.perf_counter()
    peak, streams = 0.0, list[_Stream]()
    with selectors.DefaultSelector() as selector:
        while len(streams) < len(requests) or selector.get_map():
            now = time.perf_counter()
            if now > latest + PATIENCE:
                break
            due = began + len(streams) * OPENING / len(requests)
            if len(streams) < len(requests) and now >= due:
                streams.append(_open(site, requests[len(streams)], selector))
                latest = now
                if len(streams) == len(requests):
                    peak = resident_mib(site.workers())
            for key, _ in selector.select(0.002):
                _receive(selector, cast(socket.socket, key.fileobj), key.data)
                latest = now
        for key in list(selector.get_map().values()):
            cast(socket.socket, key.fileobj).close()
    return streams, peak


def _open(site: Site, request: bytes, selector: selectors.BaseSelector) -> _Stream:
    stream = _Stream(time.perf_counter())
    with suppress(OSError):  # It counts as lost.
        connection = connect(site.base_url)
        connection.sendall(request)
        selector.register(connection, selectors.EVENT_READ, stream)
    return stream


def _receive(selector: selectors.BaseSelector, connection: socket.socket, stream: _Stream) -> None:
    more = b""
    with suppress(OSError):  # Broken off: its words tell.
        more = connection.recv(65536)
    stream.data += more
    if not stream.first and b"event: tail" in stream.data:
        stream.first = time.perf_counter()
    if not more or is_whole(stream.data):
        selector.unregister(connection)
        connection.close()
