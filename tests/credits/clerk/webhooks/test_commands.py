"""`replay_webhooks` and `send_sample_webhook`."""

import time

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from credits.clerk.webhooks import handlers, samples
from credits.models import AuditEntry, CreditGrant, User, WebhookDelivery
from tests.credits.clerk.conftest import Deliver
from tests.factories import make_plan
from tests.fakes.clerk import INSTANCE, user_json
from tests.fakes.clerk_events import event, item_json

NOW = int(time.time() * 1000)


@pytest.mark.django_db
def test_what_failed_is_processed_again(
    deliver: Deliver, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(handlers, "handle", lambda _: 1 / 0)
        deliver(event("user.created", user_json("user_1", at=NOW), at=NOW))
    with monkeypatch.context() as broken:
        broken.setattr(handlers, "handle", lambda _: 1 / 0)
        with pytest.raises(CommandError, match="failed: 1"):
            call_command("replay_webhooks")
    call_command("replay_webhooks")
    assert "processed: 1" in capsys.readouterr().out
    assert User.objects.get().clerk_id == "user_1"
    assert WebhookDelivery.objects.get().attempts == 3


@pytest.mark.django_db
def test_replaying_everything_changes_nothing_that_stands(deliver: Deliver) -> None:
    make_plan("cplan_pro", credits=100)
    item = item_json("user_1", period_start=NOW)
    deliver(event("subscriptionItem.active", item, at=NOW), "msg_a")
    deliver(event("subscriptionItem.updated", {**item, "updated_at": NOW + 1}, at=NOW), "msg_b")
    call_command("replay_webhooks", "--all")
    call_command("replay_webhooks", "msg_a")
    assert CreditGrant.objects.count() == 1


@pytest.mark.django_db
def test_a_replay_is_in_the_record_of_what_was_done(
    deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    call_command("replay_webhooks")
    assert not AuditEntry.objects.exists(), "Nothing was there to replay."
    for n in (1, 2):
        with monkeypatch.context() as broken:
            broken.setattr(handlers, "handle", lambda _: 1 / 0)
            deliver(event("user.created", user_json(f"user_{n}", at=NOW), at=NOW), f"msg_{n}")
    call_command("replay_webhooks")
    call_command("replay_webhooks", "msg_2")
    first, second = WebhookDelivery.objects.order_by("pk").values_list("pk", flat=True)
    lines = [
        (entry.actor, entry.origin, entry.action, entry.target, entry.after)
        for entry in AuditEntry.objects.order_by("pk")
    ]
    failed = f"failed deliveries {first} to {second}"
    named = f"named deliveries {second} to {second}"
    assert lines == [
        (None, "command", "webhook.replay", failed, {"deliveries": 2}),
        (None, "command", "webhook.replayed", failed, {"processed": 2, "failed": []}),
        (None, "command", "webhook.replay", named, {"deliveries": 1}),
        (None, "command", "webhook.replayed", named, {"processed": 1, "failed": []}),
    ]


@pytest.mark.django_db
def test_what_failed_when_it_was_replayed_is_replayed_as_at_the_desk(
    deliver: Deliver, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deliver(event("user.created", user_json("user_1", at=NOW), at=NOW), "msg_1")
    with monkeypatch.context() as broken:
        broken.setattr(handlers, "handle", lambda _: 1 / 0)
        with pytest.raises(CommandError, match="failed: 1"):
            call_command("replay_webhooks", "--all")
    call_command("replay_webhooks")
    assert "processed: 1" in capsys.readouterr().out


@pytest.mark.django_db
@pytest.mark.parametrize("kind", samples.TYPES)
def test_every_sample_is_taken_and_processed(deliver: Deliver, kind: str) -> None:
    make_plan("cplan_sample", credits=10)
    sample = samples.sample_event(
        kind, instance_id=INSTANCE, user_id="user_1", plan_id="cplan_sample", now=NOW
    )
    answer = deliver(sample)
    assert (answer.status_code, answer.json()["note"]) == (200, None)
    earns = kind in {
        "subscriptionItem.active",
        "subscriptionItem.updated",
        "subscriptionItem.canceled",
        "subscriptionItem.freeTrialEnding",
        "subscription.created",
        "subscription.updated",
        "subscription.active",
    }
    assert CreditGrant.objects.exists() == earns


@pytest.mark.django_db(transaction=True)
def test_a_sample_reaches_a_running_site(
    live_server: LiveServer, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("send_sample_webhook", "user.created", "--url", live_server.url)
    assert capsys.readouterr().out.startswith("200 ")
    assert User.objects.get().clerk_id == "user_sample"


def test_without_a_secret_nothing_is_sent(settings: Settings) -> None:
    settings.CLERK_WEBHOOK_SIGNING_SECRET = []
    with pytest.raises(CommandError, match="CLERK_WEBHOOK_SIGNING_SECRET"):
        call_command("send_sample_webhook", "user.created")


def test_without_a_site_it_says_so() -> None:
    with pytest.raises(CommandError, match="No site answers"):
        call_command("send_sample_webhook", "user.created", "--url", "http://127.0.0.1:9")
