"""Sending: signatures, retries, and workers that are killed or meet each other."""

import os
import signal
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core import mail

from credits.events import calls, endpoints, sending
from credits.events.announcing import send_soon
from credits.events.endpoints import WithSecret, add_endpoint, change_endpoint
from credits.events.sending import MESSAGE_KEPT, PAUSES, send_due
from credits.models import User, WebhookAttempt, WebhookEndpoint, WebhookMessage
from tests.clock import Clock
from tests.credits.events.sent import attempts, is_delivered, pending, tell
from tests.credits.users.conftest import work
from tests.factories import make_user
from tests.fakes.receiver import Receiver
from tests.live import running_worker
from tests.parallel import in_parallel
from tests.waiting import wait_for


@pytest.mark.django_db
class TestRetries:
    def test_until_they_are_over(
        self, alice: User, hook: WithSecret, receiver: Receiver, clock: Clock
    ) -> None:
        receiver.status = 503
        tell(alice)
        send_due()
        for number, pause in enumerate(PAUSES, 1):
            again = pending()
            assert again.number == number + 1
            wait = (again.due_at - clock.now()).total_seconds()
            assert pause * 0.9 - 60 <= wait <= pause * 1.1
            send_due()
            assert len(receiver.received) == number, "It is not due yet."
            clock.move(seconds=pause * 1.1)
            send_due()
            assert len(receiver.received) == number + 1
        assert not WebhookAttempt.objects.filter(ended_at=None).exists()
        assert len({request.id for request in receiver.received}) == 1
        assert len({request.body for request in receiver.received}) == 1
        assert all(request.is_signed_with(hook.secret) for request in receiver.received)

    def test_until_one_is_taken(
        self, alice: User, hook: WithSecret, receiver: Receiver, clock: Clock
    ) -> None:
        receiver.answers = [500, 204]
        tell(alice)
        send_due()
        assert WebhookEndpoint.objects.get().failing_since
        clock.move(seconds=6)
        send_due()
        assert attempts() == [(1, "failed", 500, "status"), (2, "delivered", 204, "")]
        assert WebhookEndpoint.objects.get().failing_since is None

    def test_after_days_of_failures_it_is_turned_off_and_its_owner_told(
        self, alice: User, hook: WithSecret, receiver: Receiver, clock: Clock, settings: Any
    ) -> None:
        settings.MAIL_CONFIGURED = True
        receiver.status = 500
        tell(alice)
        send_due()
        clock.move(days=2, hours=23)
        send_due()
        assert WebhookEndpoint.objects.get().active
        clock.move(hours=2)
        tell(alice, "2")
        send_due()
        endpoint = WebhookEndpoint.objects.get()
        assert (endpoint.active, endpoint.disabled_reason) == (False, "failing")
        work()
        [letter] = mail.outbox
        assert letter.to == [alice.email]
        assert "127.0.0.1" in letter.body
        assert f"/account/webhooks/{endpoint.pk}" in letter.body
        sent = len(receiver.received)
        clock.move(days=1)
        send_due()
        assert len(receiver.received) == sent
        receiver.status = 200
        change_endpoint(endpoint_id=endpoint.pk, active=True)
        send_due()
        assert len(receiver.received) > sent, "What waited is sent."
        assert not WebhookAttempt.objects.filter(ended_at=None).exists()

    def test_410_turns_it_off(
        self, alice: User, hook: WithSecret, receiver: Receiver, settings: Any
    ) -> None:
        settings.MAIL_CONFIGURED = True
        receiver.status = 410
        tell(alice)
        send_due()
        endpoint = WebhookEndpoint.objects.get()
        assert (endpoint.active, endpoint.disabled_reason) == (False, "gone")
        assert attempts() == [(1, "failed", 410, "status")]
        work()
        assert "410" in mail.outbox[0].body

    def test_by_hand(self, alice: User, hook: WithSecret, receiver: Receiver, clock: Clock) -> None:
        receiver.answers = [500]
        tell(alice)
        send_due()
        assert endpoints.send_again(attempt=WebhookAttempt.objects.get(number=1)) == pending()
        send_due()
        endpoints.send_again(attempt=WebhookAttempt.objects.get(number=1))
        send_due()
        assert [row[:2] for row in attempts()] == [
            (1, "failed"), (2, "delivered"), (3, "delivered"),
        ]  # fmt: skip
        assert len({request.id for request in receiver.received}) == 1

    def test_messages_are_forgotten_after_a_month(
        self, alice: User, hook: WithSecret, clock: Clock
    ) -> None:
        tell(alice)
        clock.move(days=MESSAGE_KEPT.days - 1)
        sending.forget()
        assert WebhookAttempt.objects.exists()
        clock.move(days=1, seconds=1)
        sending.forget()
        assert not WebhookMessage.objects.exists()
        assert not WebhookAttempt.objects.exists()


@pytest.mark.django_db
class TestSecrets:
    def test_no_secret_is_stored_as_it_is(self, hook: WithSecret) -> None:
        row = WebhookEndpoint.objects.values().get()
        assert hook.secret.startswith("whsec_")
        assert hook.secret.removeprefix("whsec_") not in str(row)

    def test_the_former_one_signs_for_a_day(
        self, alice: User, hook: WithSecret, receiver: Receiver, clock: Clock
    ) -> None:
        new = endpoints.roll_secret(endpoint_id=hook.endpoint.pk).secret
        assert new != hook.secret
        with pytest.raises(endpoints.RolledLately):
            endpoints.roll_secret(endpoint_id=hook.endpoint.pk)
        tell(alice)
        send_due()
        assert [receiver.received[0].is_signed_with(each) for each in (hook.secret, new)] == [
            True, True,
        ]  # fmt: skip
        clock.move(hours=24, seconds=1)
        tell(alice, "2")
        send_due()
        assert [receiver.received[1].is_signed_with(each) for each in (hook.secret, new)] == [
            False, True,
        ]  # fmt: skip
        endpoints.roll_secret(endpoint_id=hook.endpoint.pk)

    def test_one_that_leaked_ends_at_once(
        self, alice: User, hook: WithSecret, receiver: Receiver
    ) -> None:
        second = endpoints.roll_secret(endpoint_id=hook.endpoint.pk).secret
        third = endpoints.roll_secret(endpoint_id=hook.endpoint.pk, end_former=True).secret
        tell(alice)
        send_due()
        [request] = receiver.received
        signed = [request.is_signed_with(each) for each in (hook.secret, second, third)]
        assert signed == [False, False, True]

    def test_a_new_key_of_the_site(
        self, alice: User, hook: WithSecret, receiver: Receiver, settings: Any
    ) -> None:
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "another-" + "k" * 40
        tell(alice)
        send_due()
        assert receiver.received[0].is_signed_with(hook.secret)
        settings.SECRET_KEY_FALLBACKS, settings.MAIL_CONFIGURED = [], True
        tell(alice, "2")
        send_due()
        endpoint = WebhookEndpoint.objects.get()
        assert (endpoint.active, endpoint.disabled_reason) == (False, "secret_lost")
        assert endpoint.claimed_until is None
        new = endpoints.roll_secret(endpoint_id=endpoint.pk).secret
        send_due()
        assert receiver.received[1].is_signed_with(new)


@pytest.mark.django_db(transaction=True)
class TestWorkers:
    def test_several_send_each_message_once(self, receiver: Receiver, to_anywhere: None) -> None:
        people = [make_user() for _ in range(5)]
        for person in people:
            add_endpoint(account_id=person.pk, url=receiver.url)
        messages = [tell(person, f"{nth}") for nth in range(10) for person in people]
        in_parallel(4, lambda _: sending._run())
        send_due()
        ids = sorted(request.id for request in receiver.received)
        assert ids == sorted(message.public_id for message in messages)
        assert {row[1] for row in attempts()} == {"delivered"}

    def test_one_that_is_killed_loses_nothing(
        self, alice: User, hook: WithSecret, receiver: Receiver, clock: Clock, tmp_path: Path
    ) -> None:
        environment = {"WEBHOOKS_TO_ANY_ADDRESS": "1"}
        receiver.gate.clear()
        message = tell(alice)
        with running_worker(environment, log=tmp_path / "first.log") as worker:
            receiver.wait_for(1)
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
        receiver.gate.set()
        assert attempts() == [(1, "pending", None, "")]
        with running_worker(environment, log=tmp_path / "second.log"):
            send_soon()
            endpoint = WebhookEndpoint.objects.get()
            assert endpoint.claimed_until
            assert len(receiver.received) == 1, "The claim of the first is not over."
            clock.move(minutes=3)
            send_soon()
            receiver.wait_for(2)
            wait_for(is_delivered(message), "the second attempt to be recorded")
        assert [request.id for request in receiver.received] == [message.public_id] * 2
        assert attempts() == [(1, "delivered", 200, "")]

    def test_the_first_of_a_claim_that_was_over_does_not_end_the_claim_of_the_second(
        self, alice: User, hook: WithSecret, clock: Clock
    ) -> None:
        tell(alice)
        [first] = sending._claim(1)
        assert sending._claim(1) == []
        clock.move(minutes=3)
        [second] = sending._claim(1)
        assert first == second
        sending._record(first, calls.Outcome(500, "status", 1))
        assert WebhookEndpoint.objects.get().claimed_until
        sending._record(second, calls.Outcome(200, "", 1))
        assert WebhookEndpoint.objects.get().claimed_until is None
        assert attempts()[0] == (1, "failed", 500, "status")

    def test_what_another_has_just_sent_is_not_sent_again(
        self, alice: User, hook: WithSecret, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The other one claims, sends and records between this one's look for what is due and its
        lock."""
        tell(alice)
        plain = sending.CLAIM_DUE
        slow = plain.replace("free AS (", "pause AS MATERIALIZED (SELECT pg_sleep(1)), free AS (")
        slow = slow.replace("FROM due", "FROM pause CROSS JOIN due")

        def claim(nth: int) -> list[WebhookAttempt]:
            monkeypatch.setattr(sending, "CLAIM_DUE", [plain, slow][nth])
            if nth:
                return sending._claim(1)
            [mine] = sending._claim(1)
            sending._record(mine, calls.Outcome(200, "", 1))
            return []

        def staggered(nth: int) -> list[WebhookAttempt]:
            threading.Event().wait(0 if nth else 0.4)
            return claim(nth)

        assert in_parallel(2, staggered) == [[], []]
        assert WebhookEndpoint.objects.get().claimed_until is None


@pytest.mark.django_db
def test_what_is_sent_later_needs_no_claim_of_now(
    alice: User, hook: WithSecret, clock: Clock
) -> None:
    tell(alice)
    WebhookAttempt.objects.update(due_at=clock.now() + timedelta(minutes=1))
    assert sending._claim(5) == []
    assert WebhookEndpoint.objects.get().claimed_until is None
