"""An event is announced once for each key, in the caller's transaction: by webhook and by mail."""

from typing import Any

import pytest
from django.core import mail
from django.db import transaction
from procrastinate.contrib.django.models import ProcrastinateJob

from credits.events.announcing import Letter, announce
from credits.events.endpoints import WithSecret, add_endpoint, change_endpoint
from credits.events.sending import send_due
from credits.models import User, WebhookAttempt, WebhookMessage
from tests.credits.users.conftest import work
from tests.fakes.receiver import Receiver
from tests.parallel import in_parallel

KIND, KEY = "limit.threshold_reached", "limit:7:2026-11-28:80"
LETTER = Letter(
    "80% of your daily limit is used", "You have used 80 of 100 credits today.", "/usage"
)


def tell(user: User, **changes: Any) -> bool:
    values: dict[str, Any] = {"kind": KIND, "key": KEY, "payload": {"percent": 80}}
    return announce(account_id=user.pk, **{**values, "letter": LETTER, **changes})


@pytest.mark.django_db
def test_an_event_comes_signed_and_by_mail(
    alice: User, hook: WithSecret, receiver: Receiver, settings: Any
) -> None:
    settings.MAIL_CONFIGURED = True
    assert tell(alice)
    send_due()
    work()
    [request] = receiver.received
    message = WebhookMessage.objects.get()
    body = request.verify(hook.secret)
    assert (body["type"], body["data"]) == (KIND, {"percent": 80})
    assert body["timestamp"].endswith("Z")
    assert request.id == f"msg_{message.pk.hex}"
    assert request.headers["content-type"] == "application/json"
    [letter] = mail.outbox
    assert (letter.to, letter.subject) == ([alice.email], LETTER.subject)
    assert LETTER.text in letter.body
    assert f"{settings.SITE_URL}/usage" in letter.body
    assert f"{settings.SITE_URL}/account/webhooks" in letter.body


@pytest.mark.django_db
def test_once_for_each_key(alice: User, bob: User, hook: WithSecret, settings: Any) -> None:
    settings.MAIL_CONFIGURED = True
    assert [tell(alice), tell(alice), tell(alice, key="another"), tell(bob)] == [
        True, False, True, True,
    ]  # fmt: skip
    assert WebhookAttempt.objects.count() == 2
    assert ProcrastinateJob.objects.filter(task_name="users.send_letter").count() == 3


@pytest.mark.django_db(transaction=True)
def test_twenty_at_once_announce_once(alice: User, hook: WithSecret) -> None:
    assert sorted(in_parallel(20, lambda _: tell(alice)))[-2:] == [False, True]
    assert WebhookAttempt.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_was_not_announced(
    alice: User, hook: WithSecret, settings: Any
) -> None:
    settings.MAIL_CONFIGURED = True
    with transaction.atomic():
        tell(alice)
        transaction.set_rollback(True)
    assert not WebhookMessage.objects.exists()
    assert not WebhookAttempt.objects.exists()
    assert not ProcrastinateJob.objects.filter(task_name="users.send_letter").exists()
    assert tell(alice)


@pytest.mark.django_db
def test_who_turned_mails_off_gets_none(alice: User, settings: Any) -> None:
    settings.MAIL_CONFIGURED = True
    User.objects.update(alerts_by_mail=False)
    assert tell(alice)
    assert not ProcrastinateJob.objects.filter(task_name="users.send_letter").exists()


@pytest.mark.django_db
def test_a_webhook_that_is_off_is_sent_nothing_new(alice: User, hook: WithSecret) -> None:
    add_endpoint(account_id=alice.pk, url="http://127.0.0.1:9/other")
    change_endpoint(endpoint_id=hook.endpoint.pk, active=False)
    assert tell(alice)
    assert [row.endpoint_id == hook.endpoint.pk for row in WebhookAttempt.objects.all()] == [False]
