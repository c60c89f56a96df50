"""Bodies as clients send them: in chunks without a length, broken off, too large, endless."""

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest

from ai_chat.models import Turn
from config.asgi import environ_of
from config.errors import DomainError
from config.serving.bodies import Bodies
from credits.ledger import get_balance
from credits.models import UsageHistory, User
from tests.live import CSRF, Site, session_of
from tests.parallel import run_async
from tests.waiting import PATIENCE

MESSAGE = {"messages": [{"role": "user", "parts": [{"type": "text", "text": "Hi"}]}]}
CHUNKED = "Transfer-Encoding: chunked"


class Connection:
    """A connection whose bytes the test chooses."""

    def __init__(self, site: Site, user: User | None = None) -> None:
        host, port = site.base_url.removeprefix("http://").split(":")
        self._socket = socket.create_connection((host, int(port)), timeout=PATIENCE)
        cookies = f"csrftoken={CSRF}" + (f"; sessionid={session_of(user)}" if user else "")
        self._headers = [
            f"Host: {host}:{port}",
            f"Origin: {site.base_url}",
            f"Cookie: {cookies}",
            f"X-CSRFToken: {CSRF}",
        ]

    def post(self, path: str, *headers: str, body: bytes = b"") -> None:
        """Sends the request's beginning, and as much of a body."""
        lines = [f"POST {path} HTTP/1.1", *self._headers, *headers, "", ""]
        self.send("\r\n".join(lines).encode() + body)

    def send(self, content: bytes) -> None:
        self._socket.sendall(content)

    def no_more(self) -> None:
        """Says that nothing more is sent, and goes on reading."""
        self._socket.shutdown(socket.SHUT_WR)

    def received(self) -> bytes:
        """All until the site closes the connection."""
        received = b""
        while piece := self._socket.recv(65_536):
            received += piece
        self._socket.close()
        return received

    def read(self) -> tuple[int, str, bytes]:
        """Status, headers in lower case, and content."""
        head, _, content = self.received().partition(b"\r\n\r\n")
        return int(head.split()[1]), head.decode("latin-1").lower(), content


@pytest.fixture
def strict_site(start_site: Callable[..., Site], provider: Any) -> Site:
    return start_site(OPENAI_BASE_URL=provider.base_url, WEB_WORKERS="1", BODY_SECONDS="1")


def test_a_program_may_send_its_message_in_chunks(chat_site: Site, alice: User) -> None:
    body = json.dumps(MESSAGE)
    answer = chat_site.client(alice).post(
        "/api/ai/chat",
        content=iter([body[:20].encode(), body[20:].encode()]),
        headers={"Content-Type": "application/json", "Accept": "application/json"},
    )
    assert answer.status_code == 200, answer.text
    assert get_balance(user_id=alice.pk).remaining == 99


def test_a_form_in_chunks_that_is_broken_off_is_no_message(chat_site: Site, alice: User) -> None:
    form = b"message=Tell+me&price=1"
    sent = Connection(chat_site, alice)
    kind = "Content-Type: application/x-www-form-urlencoded"
    sent.post("/ai-chat", kind, CHUNKED, body=b"%x\r\n%b\r\n" % (len(form), form))
    sent.no_more()
    status, head, _ = sent.read()
    assert status == 400
    assert "text/html" in head, "A page, where a page was asked for."
    assert not Turn.objects.exists()
    assert not UsageHistory.objects.filter(unit_cost__isnull=False).exists()


@pytest.mark.parametrize(("path", "kind"), [("/api/ai/chat", "json"), ("/ai-chat", "html")])
def test_a_body_shorter_than_its_length_is_no_request(
    chat_site: Site, alice: User, path: str, kind: str
) -> None:
    sent = Connection(chat_site, alice)
    sent.post(path, "Content-Type: application/json", "Content-Length: 900", body=b'{"a": 1}')
    sent.no_more()
    status, head, content = sent.read()
    assert status == 400 and kind in head
    assert (b"ended before its length" in content) is (kind == "json")


@pytest.mark.parametrize("path", ["/api/ai/chat", "/sign-in", "/api/webhooks/clerk"])
def test_a_body_that_never_ends_is_given_up(strict_site: Site, path: str) -> None:
    sent = Connection(strict_site)
    sent.post(path, "Content-Length: 900", body=b"{")
    status, _, content = sent.read()
    assert status == 408
    assert b"did not come in time" in content


def test_a_length_beside_chunks_is_not_believed_and_ends_the_connection(chat_site: Site) -> None:
    """Whoever stands in front may have believed it: what follows is not read as a request."""
    sent = Connection(chat_site)
    smuggled = b"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    sent.post("/api/ai/chat", "Content-Length: 4", CHUNKED, body=smuggled)
    status, head, content = sent.read()
    assert status == 401 and "connection: close" in head
    assert b"HTTP/1.1" not in content


def test_http_2_is_not_spoken_without_tls(chat_site: Site) -> None:
    sent = Connection(chat_site)
    sent.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
    assert b"\0\0" not in sent.received(), "Frames of HTTP/2."


def test_a_body_that_is_too_large_is_not_read(chat_site: Site, alice: User) -> None:
    sent = Connection(chat_site, alice)
    sent.post("/api/ai/image", "Content-Type: application/json", "Content-Length: 2000000")
    status, _, content = sent.read()
    assert status == 413
    assert json.loads(content)["error"] == "too_large"
    in_chunks = chat_site.client(alice).post(
        "/api/ai/image",
        content=iter([b" " * 1_100_000]),
        headers={"Content-Type": "application/json"},
    )
    assert in_chunks.status_code == 413


def test_headers_with_an_underscore_are_dropped() -> None:
    """`X_Forwarded_For` would reach Django as what a trusted proxy sets."""
    environ = environ_of(
        {
            "method": "GET",
            "path": "/",
            "raw_path": b"/%c3%a9",
            "query_string": b"a=1",
            "http_version": "1.1",
            "server": ("127.0.0.1", 80),
            "client": ("10.0.0.1", 5),
            "scheme": "http",
            "headers": [
                (b"x_forwarded_for", b"1.2.3.4"),
                (b"x-forwarded-for", b"10.0.0.9"),
                (b"cookie", b"a=1"),
                (b"cookie", b"b=2"),
            ],
        }
    )
    assert environ["HTTP_X_FORWARDED_FOR"] == "10.0.0.9"
    assert environ["HTTP_COOKIE"] == "a=1; b=2"
    assert environ["PATH_INFO"].encode("latin-1").decode() == "/é"


# --- how much of bodies is kept -----------------------------------------------------------------


def environ_with(**about: str) -> dict[str, Any]:
    return {"PATH_INFO": "/api/ai/chat", **about}


def sending(*pieces: bytes, left: bool = False) -> Callable[[], Any]:
    """What a client sends; then it leaves, or the body has ended."""
    messages = [{"type": "http.request", "body": each, "more_body": True} for each in pieces]
    end = {"type": "http.disconnect"} if left else {"type": "http.request", "more_body": False}
    coming = iter([*messages, end])

    async def receive() -> dict[str, Any]:
        return next(coming)

    return receive


def take(bodies: Bodies, *pieces: bytes, left: bool = False, **about: str) -> Any:
    address = about.pop("address", "10.0.0.1")
    return run_async(bodies.take(environ_with(**about), address, sending(*pieces, left=left)))


def status_of(bodies: Bodies, *pieces: bytes, **about: Any) -> int:
    with pytest.raises(DomainError) as refusal:
        take(bodies, *pieces, **about)
    return refusal.value.status


def test_bodies_are_kept_while_there_is_room_for_them_together(settings: Any) -> None:
    settings.BODIES_TOGETHER = 1_000
    bodies = Bodies()
    kept = [take(bodies, b"x" * 200, address=f"10.0.0.{host}") for host in range(4)]
    assert status_of(bodies, b"x" * 201, address="10.0.0.5") == 503
    bodies.release(kept[0])
    assert take(bodies, b"x" * 201, address="10.0.0.5").read() == b"x" * 201


def test_one_address_has_a_share_of_what_arrives(settings: Any) -> None:
    settings.BODIES_TOGETHER = 1_000
    bodies = Bodies()
    assert status_of(bodies, b"x" * 200, b"x" * 100) == 503
    for _ in range(2):
        take(bodies, b"x" * 200, b"x" * 50)


def test_what_was_broken_off_is_not_kept(settings: Any) -> None:
    settings.BODIES_TOGETHER = 1_000
    bodies = Bodies()
    for _ in range(20):
        assert status_of(bodies, b"x" * 200, left=True) == 400
    assert take(bodies, b"x" * 200).read() == b"x" * 200


@pytest.mark.parametrize(
    ("about", "taken"),
    [
        ({"HTTP_COOKIE": "sessionid=a"}, True),
        ({"HTTP_AUTHORIZATION": "Bearer a"}, True),
        ({}, False),
        ({"HTTP_COOKIE": "sessionid=a", "PATH_INFO": "/api/ai/image"}, False),
    ],
)
def test_a_large_body_is_taken_where_files_are_and_from_somebody(
    about: dict[str, Any], taken: bool
) -> None:
    body = take(Bodies(), b"x" * 2_000_000, CONTENT_LENGTH="2000000", **about)
    assert len(body.getbuffer()) == (2_000_000 if taken else 0)
