"""Floods: what an anonymous visitor, or one user, can send to a site. Meanwhile the probes answer,
and others are served."""

import json
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import httpx
import pytest

from credits.models import User
from tests.ai_chat.chat import EVENTS, Chat
from tests.fakes.provider import FakeProvider
from tests.live import CSRF, Site, http_client, session_of
from tests.waiting import PATIENCE, wait_for

type Flood = Callable[[Site, User], Iterator[None]]

MANY = 300
#: Where floods come from: another address of this machine.
ELSEWHERE = "127.0.0.2"
#: One process with few threads, and little patience.
SMALL = {
    "WEB_WORKERS": "1",
    "WEB_THREADS": "16",
    "BODY_SECONDS": "2",
    "SEND_SECONDS": "2",
    "REQUESTS_PER_MINUTE": "1000",
}


def connections(site: Site, first: bytes, many: int = MANY) -> Iterator[None]:
    """Many connections that stay open, each with the beginning of something."""
    host, port = site.base_url.removeprefix("http://").split(":")
    with ExitStack() as stack:
        for _ in range(many):
            each = socket.socket()
            stack.enter_context(each)
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            each.bind((ELSEWHERE, 0))
            each.connect((host, int(port)))
            each.sendall(first)
        yield


def requests(send: Callable[[httpx.Client], httpx.Response], site: Site, many: int) -> Counter[int]:
    """As many requests at the same time; how often each status was answered."""
    limits = httpx.Limits(max_connections=many)
    transport = httpx.HTTPTransport(local_address=ELSEWHERE, limits=limits)
    with (
        httpx.Client(base_url=site.base_url, timeout=PATIENCE, transport=transport) as client,
        ThreadPoolExecutor(many) as pool,
    ):
        answers = [pool.submit(send, client) for _ in range(many)]
        return Counter(answer.result().status_code for answer in answers)


def headers_of(site: Site, user: User | None = None) -> dict[str, str]:
    """What a browser sends with everything: its cookies, and where its page is from."""
    cookies = f"csrftoken={CSRF}" + (f"; sessionid={session_of(user)}" if user else "")
    return {"Cookie": cookies, "X-CSRFToken": CSRF, "Origin": site.base_url}


@contextmanager
def meanwhile(
    site: Site, send: Callable[[httpx.Client], httpx.Response], many: int
) -> Iterator[None]:
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(requests, send, site, many)
        yield
        statuses = sending.result()
    assert 500 not in statuses and statuses.total() == many, statuses


def idle_connections(site: Site, _: User) -> Iterator[None]:
    yield from connections(site, b"")


def headers_without_end(site: Site, _: User) -> Iterator[None]:
    yield from connections(site, b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Drip: a")


def bodies_without_end(site: Site, _: User) -> Iterator[None]:
    head = b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n\r\nusername=a"
    yield from connections(site, head)


def chunks_without_end(site: Site, _: User) -> Iterator[None]:
    head = b"POST /api/ai/chat HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    yield from connections(site, head + b"1\r\n{\r\n")


def readers_that_do_not_read(site: Site, _: User) -> Iterator[None]:
    page = b"GET /api/schema HTTP/1.1\r\nHost: localhost\r\n\r\n"
    yield from connections(site, page * 20)


def files_that_nobody_reads(site: Site, _: User) -> Iterator[None]:
    file = b"GET /static/css/tally.css HTTP/1.1\r\nHost: localhost\r\n\r\n"
    yield from connections(site, file * 20)


def pages_at_once(site: Site, _: User) -> Iterator[None]:
    with meanwhile(site, lambda client: client.get("/"), MANY):
        yield


def sign_ins_at_once(site: Site, _: User) -> Iterator[None]:
    form = {"username": "nobody@example.com", "password": "guessed"}
    headers = headers_of(site)
    with meanwhile(site, lambda client: client.post("/sign-in", data=form, headers=headers), 40):
        yield


def wrong_in_every_place(site: Site, user: User) -> Iterator[None]:
    body = json.dumps({"messages": [{}] * 240_000})
    headers = {**headers_of(site, user), "Content-Type": "application/json"}

    def send(client: httpx.Client) -> httpx.Response:
        answer = client.post("/api/ai/chat", content=body, headers=headers)
        assert len(answer.content) < 10_000
        return answer

    with meanwhile(site, send, 6):
        yield


def junk_for_the_webhook(site: Site, _: User) -> Iterator[None]:
    with meanwhile(
        site, lambda client: client.post("/api/webhooks/clerk", content=b"[" * 900_000), 40
    ):
        yield


def long_addresses(site: Site, _: User) -> Iterator[None]:
    path = "/pricing?" + "&".join(f"a{n}=1" for n in range(4_000))
    with meanwhile(
        site, lambda client: client.get(path, headers={"Cookie": "a=1; " * 900 + "b=2"}), 100
    ):
        yield


FLOODS: list[Flood] = [
    idle_connections,
    headers_without_end,
    bodies_without_end,
    chunks_without_end,
    readers_that_do_not_read,
    files_that_nobody_reads,
    pages_at_once,
    sign_ins_at_once,
    wrong_in_every_place,
    junk_for_the_webhook,
    long_addresses,
]


@pytest.fixture
def small_site(keep_site: Callable[..., Site], provider: FakeProvider) -> Site:
    return keep_site(OPENAI_BASE_URL=provider.base_url, **SMALL)


def probe(site: Site) -> None:
    with http_client(site.base_url) as client:
        for path in ("/healthz", "/readyz", "/healthz"):
            assert client.get(path).status_code == 200, path


@pytest.mark.parametrize("flood", FLOODS, ids=lambda flood: flood.__name__)
def test_probes_answer_and_others_are_served_during_a_flood(
    flood: Flood, small_site: Site, alice: User, bob: User
) -> None:
    with contextmanager(flood)(small_site, alice):
        probe(small_site)
        assert Chat(small_site, bob).send("Hello").receipt == "1 credit"
    probe(small_site)


def test_one_user_follows_an_answer_a_few_times_and_no_more(
    small_site: Site, provider: FakeProvider, alice: User, bob: User
) -> None:
    """300 viewers of one answer: this one user's share of the threads, and others are served."""
    person = Chat(small_site, alice)
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(person.send, "[[gate]]")
        wait_for(lambda: provider.completions_started == 1, "the answer to begin")
        path = f"/ai-chat/turns/{person.turn.pk}/events"
        headers = {**EVENTS, **headers_of(small_site, alice)}
        with ThreadPoolExecutor(1) as flood:
            following = flood.submit(
                requests, lambda client: client.get(path, headers=headers), small_site, MANY
            )
            probe(small_site)
            assert Chat(small_site, bob).send("Hello").receipt == "1 credit"
            provider.open_gate()
            statuses = following.result()
        assert sending.result().receipt == "1 credit"
    assert statuses[429] and 500 not in statuses, statuses
