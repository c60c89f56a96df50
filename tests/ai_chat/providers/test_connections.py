"""Calls that are ended from another thread, in every phase, against a real server; and what becomes
of their connections."""

import threading
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import Any

import httpcore2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from ai_chat.providers import chat
from ai_chat.providers.errors import ProviderError
from ai_chat.providers.pieces import End, Finish, Text
from credits.reasons import Reason
from tests.ai_chat.providers.calls import Asking, calling
from tests.fakes.scripted import Act, Pieces, ScriptedProvider, serve
from tests.waiting import wait_for

HELLO = b'data: {"choices": [{"delta": {"content": "Hello"}}]}\n\n'
STOP = b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"
WHOLE = Pieces([HELLO, STOP + DONE])


#: Nothing in this file ends because a provider took too long.
pytestmark = pytest.mark.usefixtures("patient")


def test_a_call_is_cancelled_while_it_waits_for_headers(scripted: ScriptedProvider) -> None:
    scripted.silent = True
    call = Asking(calling(scripted))
    wait_for(lambda: len(scripted.calls) == 1, "the call")
    call.stream.cancel()
    wait_for(lambda: scripted.left == 1, "the provider to see that nobody waits")
    wait_for(call.has_ended, "the call to end")
    assert call.error


def test_a_call_is_cancelled_while_it_waits_on_a_connection_that_was_used_before(
    scripted: ScriptedProvider,
) -> None:
    scripted.answer = WHOLE
    assert Text("Hello") in list(calling(scripted))
    scripted.silent = True
    call = Asking(calling(scripted))
    wait_for(lambda: len(scripted.calls) == 2, "the second call")
    assert scripted.connections == 1
    call.stream.cancel()
    wait_for(lambda: scripted.left == 1, "the provider to see that nobody waits")
    wait_for(call.has_ended, "the call to end")


def test_a_call_is_cancelled_while_it_reads(scripted: ScriptedProvider) -> None:
    scripted.answer = Pieces([HELLO, Act.HANG])
    call = Asking(calling(scripted))
    wait_for(lambda: Text("Hello") in call.pieces, "the first text")
    call.stream.cancel()
    wait_for(lambda: scripted.left == 1, "the provider to see that nobody waits")
    wait_for(call.has_ended, "the call to end")
    assert call.error


def test_a_call_that_is_cancelled_after_its_end_leaves_the_connection_to_the_next(
    scripted: ScriptedProvider,
) -> None:
    scripted.answer = WHOLE
    for _ in range(2):
        stream = calling(scripted)
        assert Text("Hello") in list(stream)
        stream.cancel()
    assert scripted.connections == 1


def test_a_call_that_was_cancelled_before_it_is_sent_is_not_sent(
    scripted: ScriptedProvider,
) -> None:
    scripted.answer = WHOLE
    list(calling(scripted))
    stream = calling(scripted)
    stream.cancel()
    with pytest.raises(ProviderError):
        list(stream)
    assert len(scripted.calls) == 1


def test_a_call_is_cancelled_while_it_connects(
    scripted: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    connecting, go_on, closed = threading.Event(), threading.Event(), threading.Event()
    connect = httpcore2.SyncBackend.connect_tcp

    def connect_slowly(*args: Any, **kwargs: Any) -> httpcore2.NetworkStream:
        connecting.set()
        go_on.wait()
        stream = connect(*args, **kwargs)
        close = stream.close

        def close_and_say_so() -> None:
            close()
            closed.set()

        monkeypatch.setattr(stream, "close", close_and_say_so)
        return stream

    monkeypatch.setattr(httpcore2.SyncBackend, "connect_tcp", connect_slowly)
    call = Asking(calling(scripted))
    connecting.wait()
    call.stream.cancel()
    wait_for(call.has_ended, "the call to end")
    assert call.error and call.error.reason == Reason.UNREACHABLE
    go_on.set()
    wait_for(closed.is_set, "the connection that came too late to be closed")
    assert scripted.calls == []


def test_what_is_cancelled_after_its_end_leaves_the_connection_alone(
    scripted: ScriptedProvider,
) -> None:
    scripted.answer = WHOLE
    first = calling(scripted)
    list(first)
    scripted.answer = Pieces([HELLO, 0.3, STOP + DONE])
    second = Asking(calling(scripted))
    wait_for(lambda: Text("Hello") in second.pieces, "the first text")
    first.cancel()
    wait_for(second.has_ended, "the second call")
    assert (second.error, second.pieces[-1]) == (None, End(Finish.STOP))
    assert scripted.connections == 1


@pytest.mark.parametrize(
    "after",
    [[Act.RESET], [Act.CLOSE], [Act.HANG], [b": ping\n\n", Act.HANG], [DONE, Act.HANG]],
    ids=str,
)
def test_an_answer_has_ended_with_its_finish_reason(
    scripted: ScriptedProvider, monkeypatch: pytest.MonkeyPatch, after: list[Any]
) -> None:
    monkeypatch.setattr(chat, "USAGE_SECONDS", 0.2)
    scripted.answer = Pieces([HELLO, STOP, *after])
    assert list(calling(scripted))[-1] == End(Finish.STOP)


def test_text_after_a_finish_reason_is_waited_for_as_long_as_other_text(
    scripted: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gateways to Gemini send a finish reason with every chunk."""
    monkeypatch.setattr(chat, "USAGE_SECONDS", 0.3)
    both = HELLO.replace(b'"}}', b'"}, "finish_reason": "stop"}')
    scripted.answer = Pieces([both, both, 0.6, both, DONE])
    assert list(calling(scripted)) == [*[Text("Hello")] * 3, End(Finish.STOP)]


def test_a_redirect_is_not_followed(scripted: ScriptedProvider) -> None:
    scripted.status = 307
    scripted.headers = {"Location": f"{scripted.base_url}/chat/completions"}
    call = Asking(calling(scripted))
    call.join()
    assert (call.error.reason, call.error.status) == (Reason.REDIRECTED, 307)
    assert len(scripted.calls) == 1


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        issuer_name=name, subject_name=name, public_key=key.public_key(),
        serial_number=1, not_valid_before=now - timedelta(days=1),
        not_valid_after=now + timedelta(days=1),
    )  # fmt: skip
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    signed = builder.add_extension(address, critical=False).sign(key, SHA256())
    (folder / "cert.pem").write_bytes(signed.public_bytes(Encoding.PEM))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(private)
    return folder / "cert.pem", folder / "key.pem"


def test_calls_over_tls_are_cancelled_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signed, key = certificate(tmp_path)
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(signed, key)
    monkeypatch.setenv("SSL_CERT_FILE", str(signed))
    with serve(ScriptedProvider(), context) as provider:
        provider.answer = WHOLE
        assert Text("Hello") in list(calling(provider))
        provider.silent = True
        call = Asking(calling(provider))
        wait_for(lambda: len(provider.calls) == 2, "the second call")
        assert provider.connections == 1
        call.stream.cancel()
        wait_for(lambda: provider.left == 1, "the provider to see that nobody waits")
        wait_for(call.has_ended, "the call to end")
