"""What clients of /v1 do wrong: the status, what is paid, and that nothing stays open."""

import json
import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest

from ai_chat.models import ApiCall
from credits.keys.services import revoke_key
from credits.models import Hold, TokenPrice, UsageHistory, User
from tests.ai_chat.gateway.client import ApiProgram, assert_paid_exactly, latest_call
from tests.ai_chat.providers.test_provider_faults import DONE, HELLO, STOP, said, usage
from tests.ai_chat.tokens import price_by_tokens
from tests.fakes.provider import FakeProvider
from tests.fakes.scripted import Act, Pieces, ScriptedProvider
from tests.fakes.serving import serving
from tests.live import Site
from tests.waiting import wait_for

State = ApiCall.State
MESSAGE = "x" * 40
SLOW = Pieces([part for _ in range(200) for part in (said("word "), 0.05)])


@pytest.fixture
def price(transactional_db: None) -> TokenPrice:
    return price_by_tokens()


@pytest.fixture
def wired(
    keep_site: Callable[..., Site], wire: ScriptedProvider, alice: User, price: TokenPrice
) -> ApiProgram:
    """Alice's program, where the provider sends what `wire` is told."""
    return ApiProgram(keep_site(OPENAI_BASE_URL=wire.base_url), alice)


def charges(user: User) -> int:
    return UsageHistory.objects.filter(account=user.pk, unit_cost__isnull=False).count()


def read_until(program: ApiProgram, seen: bytes, times: int = 1) -> None:
    """Streams, and leaves once so much has come."""
    body = program.body(MESSAGE, stream=True)
    received = b""
    with program.http.stream("POST", "/chat/completions", json=body) as response:
        for piece in response.iter_bytes():
            received += piece
            if received.count(seen) >= times:
                return
    pytest.fail(f"{seen!r} did not come: {received!r}")


# --- Clients that leave -------------------------------------------------------------------------


@pytest.mark.parametrize("deltas", [1, 5])
def test_a_client_that_leaves_in_the_middle_pays_for_what_it_was_sent(
    wired: ApiProgram, wire: ScriptedProvider, deltas: int
) -> None:
    wire.answer = SLOW
    read_until(wired, b"word", deltas)
    wired.wait_until_ended()
    call = latest_call(wired.user)
    assert call.use
    assert (call.state, call.use.source, call.use.input) == (State.STOPPED, "estimated", 10)
    assert deltas <= call.use.output < 200
    assert_paid_exactly(wired.user)
    wait_for(lambda: wire.connections == wire.ended or wire.left == 1, "the provider to be left")


def test_a_client_that_leaves_after_the_last_text_pays_by_the_provider_s_count(
    wired: ApiProgram, wire: ScriptedProvider
) -> None:
    wire.answer = Pieces([HELLO, STOP, 0.5, usage(20, 7), DONE])
    read_until(wired, b"Hello")
    wired.wait_until_ended()
    call = latest_call(wired.user)
    assert call.use
    assert (call.use.source, call.use.output) == ("provider", 7)
    assert_paid_exactly(wired.user)


def test_a_client_that_leaves_before_the_mark_of_the_end_pays_by_the_provider_s_count(
    wired: ApiProgram, wire: ScriptedProvider
) -> None:
    wire.answer = Pieces([HELLO, STOP, usage(20, 7), Act.HANG])
    read_until(wired, b'"finish_reason":"stop"')
    wired.wait_until_ended()
    call = latest_call(wired.user)
    assert call.use
    assert (call.state, call.use.source, call.use.output) == (State.DONE, "provider", 7)
    assert_paid_exactly(wired.user)


def test_a_client_that_reads_slowly_gets_all_of_it(
    wired: ApiProgram, wire: ScriptedProvider
) -> None:
    wire.answer = Pieces([*[said("long words " * 2000)] * 25, STOP, usage(20, 90), DONE])
    body = wired.body(MESSAGE, stream=True)
    received = b""
    with wired.http.stream("POST", "/chat/completions", json=body) as response:
        for piece in response.iter_raw(chunk_size=50_000):
            received += piece
            threading.Event().wait(0.05)
    assert received.count(b"long words") == 25 * 2000
    assert received.endswith(b"data: [DONE]\n\n")
    call = latest_call(wired.user)
    assert call.use
    assert (call.state, call.use.output) == (State.DONE, 90)
    assert_paid_exactly(wired.user)


def test_a_client_that_does_not_read_is_left(
    keep_site: Callable[..., Site], wire: ScriptedProvider, alice: User, price: TokenPrice
) -> None:
    site = keep_site(OPENAI_BASE_URL=wire.base_url, SEND_SECONDS="1")
    program = ApiProgram(site, alice)
    wire.answer = Pieces([*[said("long words " * 5000)] * 900, STOP, usage(20, 900), DONE])
    content = json.dumps(program.body(MESSAGE, stream=True)).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {program.secret}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", urlsplit(site.base_url).port or 0)) as client:
        client.sendall(head.encode() + content)
        wait_for(ApiCall.objects.exists, "the call to begin")
        program.wait_until_ended()
        call = latest_call(alice)
        assert call.use
        assert (call.state, call.use.source) == (State.STOPPED, "estimated")
        wait_for(lambda: wire.connections - wire.ended <= 2, "the provider to be left")
    assert_paid_exactly(alice)


# --- Connections that break ---------------------------------------------------------------------


class _Gateway(socketserver.BaseRequestHandler):
    """Passes a connection on; the first `resets` of a server are reset instead of answered."""

    server: "_Resetting"

    def handle(self) -> None:
        with socket.create_connection(self.server.target) as site:
            if self.server.resets:
                self.server.resets -= 1
                site.sendall(self.request.recv(65_536))
                self.server.wait()
                lingering = struct.pack("ii", 1, 0)
                self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, lingering)
                return
            back = threading.Thread(target=_pass_on, args=[site, self.request], daemon=True)
            back.start()
            _pass_on(self.request, site)
            back.join()


class _Resetting(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, site: Site, resets: int, wait: Callable[[], object]) -> None:
        super().__init__(("127.0.0.1", 0), _Gateway)
        self.target = ("127.0.0.1", urlsplit(site.base_url).port or 0)
        self.resets, self.wait = resets, wait


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


@contextmanager
def resetting(program: ApiProgram, *, resets: int, wait: Callable[[], object]) -> Iterator[Any]:
    """The SDK behind something that resets the first connections after `wait`."""
    with _Resetting(program.site, resets, wait) as server, serving(server):
        address = f"http://127.0.0.1:{server.server_address[1]}/v1"
        yield program.sdk.with_options(base_url=address, max_retries=2)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_sdk_whose_connections_are_reset_pays_once(
    program: ApiProgram, provider: FakeProvider, stream: bool
) -> None:
    def wait() -> None:
        wait_for(lambda: provider.completions_started > 0, "the provider to be asked")

    text = "[[tokens:4]][[delay:0.5]]"
    with resetting(program, resets=2, wait=wait) as sdk:
        answer = sdk.chat.completions.create(**program.body(text, stream=stream))
        if stream:
            said = "".join(chunk.choices[0].delta.content or "" for chunk in answer)
        else:
            said = answer.choices[0].message.content
    assert said == "word1 word2 word3 word4 "
    program.wait_until_ended()
    calls = ApiCall.with_receipt().filter(user=program.user)
    assert sum(call.use.output > 0 for call in calls if call.use) == 1
    assert stream or provider.completions_started == 1
    assert_paid_exactly(program.user)


# --- Bodies and keys ----------------------------------------------------------------------------


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    return value


MESSAGES = '"messages": [{"role": "user", "content": "Hi"}]'
BODIES: dict[str, tuple[str | bytes, int, str, str | None]] = {
    "no JSON": ("{", 400, "invalid_json", None),
    "no object": ("[]", 400, "invalid_json", None),
    "no text": (b"\xff\xfe", 400, "invalid_json", None),
    "a name twice": (f'{{"model": "a", {MESSAGES}, "model": "b"}}', 400, "invalid_json", None),
    "NaN": (f'{{"model": "smollm2-135m", {MESSAGES}, "n": NaN}}', 400, "invalid_value", "n"),
    "too deep": (
        json.dumps({"model": "smollm2-135m", "messages": nested(100)}),
        400,
        "invalid_json",
        None,
    ),
    "no messages": ('{"model": "smollm2-135m", "messages": []}', 400, "invalid_value", "messages"),
    "n 0": (f'{{"model": "smollm2-135m", {MESSAGES}, "n": 0}}', 400, "invalid_value", "n"),
    "n 9": (f'{{"model": "smollm2-135m", {MESSAGES}, "n": 9}}', 400, "unsupported_parameter", "n"),
    "no model": (f"{{{MESSAGES}}}", 400, "invalid_value", "model"),
    "20 MB and one byte": (b" " * 20_000_001, 413, "request_too_large", None),
}


@pytest.mark.parametrize("header", ["Authorization", "x-api-key"])
@pytest.mark.parametrize(("body", "status", "code", "param"), BODIES.values(), ids=BODIES.keys())
def test_a_body_that_is_none_costs_nothing(
    program: ApiProgram, body: str | bytes, status: int, code: str, param: str | None, header: str
) -> None:
    headers = {"Authorization": "", "x-api-key": program.secret} if header == "x-api-key" else {}
    answer = program.http.post("/chat/completions", content=body, headers=headers)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (status, code, param)
    assert charges(program.user) == 0


@pytest.mark.parametrize("header", ["Authorization", "x-api-key"])
def test_a_body_of_nearly_20_mb_is_read(program: ApiProgram, header: str) -> None:
    headers = {"Authorization": "", "x-api-key": program.secret} if header == "x-api-key" else {}
    body = json.dumps(program.body()).encode() + b" " * 19_900_000
    answer = program.http.post("/chat/completions", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    assert_paid_exactly(program.user)


def test_a_key_in_the_address_opens_nothing(program: ApiProgram) -> None:
    for name in ("key", "api_key", "api-key", "access_token"):
        address = f"/chat/completions?{name}={program.secret}"
        answer = program.http.post(address, json=program.body(), headers={"Authorization": ""})
        assert answer.status_code == 401
        assert program.secret not in answer.text
    assert program.secret not in program.site.log.read_text()


@pytest.mark.parametrize("names", [("Authorization", "Authorization"), ("x-api-key",) * 2,
                                   ("Authorization", "x-api-key")])  # fmt: skip
def test_two_keys_that_differ_are_refused(program: ApiProgram, names: tuple[str, str]) -> None:
    def sent(other: str) -> Any:
        headers = [
            (name, f"Bearer {key}" if name == "Authorization" else key)
            for name, key in zip(names, (program.secret, other), strict=True)
        ]
        client = program.site.client()
        return client.post(
            "/v1/chat/completions", json=program.body(), headers=[*client.headers.items(), *headers]
        )

    refused = sent(ApiProgram(program.site, program.user).secret)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "two_api_keys")
    assert sent(program.secret).status_code == 200
    assert charges(program.user) == 1


# --- Keys that end ------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", [False, True], ids=["left alone", "stopped"])
def test_a_key_that_is_revoked_in_the_middle(
    program: ApiProgram, provider: FakeProvider, stop: bool
) -> None:
    """What is going on is paid for, and goes on unless it is stopped too."""
    stream = program.complete("[[tokens:6]][[gate]]", stream=True)
    chunks = iter(stream)
    while not next(chunks).choices[0].delta.content:
        pass
    revoke_key(actor=program.user, key=program.key, stop=stop)
    with pytest.raises(openai.AuthenticationError):
        program.complete()
    if stop:
        with pytest.raises(openai.APIError):
            for _ in chunks:
                pass
        wait_for(lambda: provider.open_completions == 0, "the provider to be left")
    else:
        provider.open_gate()
        assert "".join(c.choices[0].delta.content or "" for c in chunks).endswith("word6 ")
    program.wait_until_ended()
    call = latest_call(program.user)
    assert call.state == (State.STOPPED if stop else State.DONE)
    assert call.use
    assert call.use.output > 0
    assert not Hold.objects.exists()
    assert_paid_exactly(program.user)
