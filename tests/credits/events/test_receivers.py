"""What a receiver may do, and what becomes of the attempt."""

import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest

from credits.events import calls, endpoints, sending
from credits.events.calls import Call, post
from credits.events.endpoints import WithSecret, add_endpoint
from credits.events.sending import send_due
from credits.models import User, WebhookEndpoint
from tests.clock import Clock
from tests.credits.events.sent import attempts, pending, tell
from tests.fakes.receiver import Receiver, running_receiver


@pytest.mark.django_db
class TestReceivers:
    def test_a_redirect_is_not_followed(
        self, alice: User, hook: WithSecret, receiver: Receiver
    ) -> None:
        receiver.way, receiver.status = "redirect", 307
        tell(alice)
        send_due()
        assert [request.path for request in receiver.received] == ["/hook"]
        assert attempts()[0] == (1, "failed", 307, "status")

    def test_one_that_answers_byte_by_byte(
        self, alice: User, hook: WithSecret, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(calls, "CALL_SECONDS", 0.5)
        receiver.way = "drip"
        tell(alice)
        send_due()
        assert attempts()[0] == (1, "failed", None, "timeout")

    def test_one_that_never_ends(self, alice: User, hook: WithSecret, receiver: Receiver) -> None:
        receiver.way = "huge"
        tell(alice)
        send_due()
        assert attempts() == [(1, "delivered", 200, "")]
        assert receiver.sent < 20_000_000, "What was on its way is all that came."

    def test_one_that_speaks_no_http(
        self, alice: User, hook: WithSecret, receiver: Receiver
    ) -> None:
        receiver.way = "nonsense"
        tell(alice)
        send_due()
        assert attempts()[0] == (1, "failed", None, "broken")

    def test_one_that_is_not_there(self, alice: User, to_anywhere: None) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
            add_endpoint(account_id=alice.pk, url=f"http://{address}/")
            tell(alice)
            send_due()
        assert attempts()[0] == (1, "failed", None, "connect")

    def test_one_whose_certificate_nobody_trusts(
        self, alice: User, to_anywhere: None, certificate: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with running_receiver(certificate) as receiver:
            add_endpoint(account_id=alice.pk, url=receiver.url)
            tell(alice)
            send_due()
            assert attempts()[0] == (1, "failed", None, "tls")
            trusted = ssl.create_default_context(cafile=certificate)
            monkeypatch.setattr(calls, "_trusted", lambda: trusted)
            endpoints.send_again(attempt=pending())
            send_due()
            assert attempts()[1] == (2, "delivered", 200, "")
            # The name that is checked is the one in the address, not the one that was looked up.
            by_number = Call(receiver.url.replace("localhost", "127.0.0.1"), {}, b"")
            assert post(by_number).failure == "tls"

    def test_a_slow_one_holds_nobody_up(
        self, alice: User, bob: User, hook: WithSecret, receiver: Receiver
    ) -> None:
        receiver.gate.clear()
        with running_receiver() as other:
            add_endpoint(account_id=bob.pk, url=other.url)
            tell(alice)
            tell(bob)

            def open_later() -> None:
                other.wait_for(1)
                receiver.gate.set()

            waiting = threading.Thread(target=open_later)
            waiting.start()
            send_due()
            waiting.join()
        assert attempts() == [(1, "delivered", 200, "")] * 2

    def test_those_that_failed_leave_room_for_the_others(
        self, alice: User, bob: User, hook: WithSecret, receiver: Receiver,
        monkeypatch: pytest.MonkeyPatch, clock: Clock,
    ) -> None:  # fmt: skip
        monkeypatch.setattr(sending, "AT_ONCE", 2)
        monkeypatch.setattr(sending, "FAILING_AT_ONCE", 1)
        for number in range(3):
            add_endpoint(account_id=alice.pk, url=f"{receiver.url}/{number}")
        WebhookEndpoint.objects.update(failing_since=clock.now())
        receiver.gate.clear()
        with running_receiver() as other:
            add_endpoint(account_id=bob.pk, url=other.url)
            tell(alice)
            clock.move(seconds=1)
            tell(bob)

            def open_later() -> None:
                other.wait_for(1)
                receiver.gate.set()

            waiting = threading.Thread(target=open_later)
            waiting.start()
            send_due()
            waiting.join()
        assert attempts() == [(1, "delivered", 200, "")] * 5

    def test_what_nobody_foresaw_ends_one_attempt_and_no_other(
        self, alice: User, bob: User, hook: WithSecret, receiver: Receiver,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        status_of = calls._status_of

        def fail_for_alice(call: Call, deadline: float) -> int:
            assert call.url != hook.endpoint.url
            return status_of(call, deadline)

        monkeypatch.setattr(calls, "_status_of", fail_for_alice)
        add_endpoint(account_id=bob.pk, url=receiver.url + "/bob")
        tell(alice)
        tell(bob)
        send_due()
        assert sorted(row[1:] for row in attempts() if row[1] != "pending") == [
            ("delivered", 200, ""), ("failed", None, "broken"),
        ]  # fmt: skip

    def test_one_gets_one_message_after_the_other(
        self, alice: User, hook: WithSecret, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        at_once, most, lock = 0, 0, threading.Lock()
        answer = receiver.answer

        def counted(handler: Any) -> None:
            nonlocal at_once, most
            with lock:
                at_once += 1
                most = max(most, at_once)
            answer(handler)
            with lock:
                at_once -= 1

        monkeypatch.setattr(receiver, "answer", counted)
        keys = [str(number) for number in range(5)]
        for key in keys:
            tell(alice, key)
        send_due()
        assert (len(receiver.received), most) == (5, 1)

    def test_one_that_was_deleted_meanwhile(
        self, alice: User, hook: WithSecret, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        record = sending._record

        def delete_first(*arguments: Any) -> None:
            endpoints.delete_endpoint(endpoint_id=hook.endpoint.pk)
            record(*arguments)

        monkeypatch.setattr(sending, "_record", delete_first)
        tell(alice)
        send_due()
        assert len(receiver.received) == 1
        assert attempts() == []
