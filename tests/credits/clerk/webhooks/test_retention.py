"""Payloads of processed webhooks are forgotten; what they did stays done."""

import time
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from credits.clerk import tasks
from credits.clerk.webhooks import handlers
from credits.clerk.webhooks.replays import replay_all
from credits.models import CreditGrant, User, WebhookDelivery
from tests.credits.clerk.conftest import Deliver
from tests.factories import make_plan
from tests.fakes.clerk import Json, user_json
from tests.fakes.clerk_events import event, item_json

pytestmark = pytest.mark.django_db
NOW = int(time.time() * 1000)


def person(user_id: str = "user_1", **fields: Any) -> Json:
    return event(
        "user.created", user_json(user_id, email="a@example.com", at=NOW, **fields), at=NOW
    )


def grow_old(days: int = 91) -> None:
    WebhookDelivery.objects.update(received_at=timezone.now() - timedelta(days=days))


def kept() -> set[str]:
    rows = WebhookDelivery.objects.exclude(payload={})
    return set(rows.values_list("svix_id", flat=True))


def test_old_payloads_go_and_the_row_stays(deliver: Deliver) -> None:
    deliver(person(), "msg_old")
    grow_old()
    deliver(person("user_2"), "msg_new")
    tasks.empty_payloads(timestamp=0)
    assert kept() == {"msg_new"}
    row = WebhookDelivery.objects.get(svix_id="msg_old")
    assert (row.type, row.payer_id, row.forgotten) == ("user.created", "user_1", True)
    assert row.processed_at


def test_how_long_is_a_setting(deliver: Deliver, settings: Settings) -> None:
    settings.INBOX_PAYLOAD_DAYS = 365
    deliver(person())
    grow_old(days=364)
    tasks.empty_payloads(timestamp=0)
    assert kept() == {"msg_1"}


def test_more_than_one_statement_s_worth_goes(
    deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("credits.clerk.webhooks.inbox.EMPTIED_AT_ONCE", 2)
    for number in range(5):
        deliver(person(f"user_{number}"), f"msg_{number}")
    grow_old()
    tasks.empty_payloads(timestamp=0)
    assert kept() == set()


def test_what_somebody_must_look_at_is_kept(
    deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(
        event("subscriptionItem.active", item_json("user_1", period_start=NOW), at=NOW), "unmapped"
    )
    deliver(person("user_3"), "failed again")
    with monkeypatch.context() as broken:
        broken.setattr(handlers, "handle", lambda _: 1 / 0)
        deliver(person("user_2"), "failed")
        again = WebhookDelivery.objects.filter(svix_id="failed again")
        replay_all(what="named", chosen=again)
    grow_old()
    tasks.empty_payloads(timestamp=0)
    assert kept() == {"unmapped", "failed", "failed again"}


def test_a_forgotten_message_is_not_done_again(deliver: Deliver) -> None:
    make_plan("cplan_pro", credits=100)
    payload = event("subscriptionItem.active", item_json("user_1", period_start=NOW), at=NOW)
    deliver(payload)
    grow_old()
    tasks.empty_payloads(timestamp=0)
    assert deliver(payload).status_code == 200
    call_command("replay_webhooks", "--all")
    call_command("replay_webhooks", "msg_1")
    outcome = replay_all(what="all", chosen=WebhookDelivery.objects.all())
    assert outcome.failed == 0
    assert CreditGrant.objects.count() == 1
    row = WebhookDelivery.objects.get()
    assert (row.attempts, row.error, row.payload) == (1, "", {})


def test_a_plan_mapped_late_still_pays_and_then_its_message_goes(
    deliver: Deliver, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    payload = event("subscriptionItem.active", item_json("user_1", period_start=NOW), at=NOW)
    deliver(payload)
    grow_old()
    tasks.empty_payloads(timestamp=0)
    with django_capture_on_commit_callbacks(execute=True):
        make_plan("cplan_pro", credits=100)
    assert CreditGrant.objects.count() == 1
    tasks.empty_payloads(timestamp=0)
    assert kept() == set()


@pytest.mark.django_db(transaction=True)
def test_what_was_told_of_a_deleted_person_goes_at_once(deliver: Deliver) -> None:
    deliver(person(), "msg_a")
    deliver(
        event("subscriptionItem.active", item_json("user_1", period_start=NOW), at=NOW), "msg_b"
    )
    deliver(person("user_2"), "msg_c")
    gone = {"object": "user", "id": "user_1", "deleted": True}
    deliver(event("user.deleted", gone, at=NOW), "msg_d")
    assert kept() == {"msg_c"}
    assert not WebhookDelivery.objects.filter(unmapped=True).exists()
    deliver(person(), "msg_late")
    assert kept() == {"msg_c"}
    assert User.objects.get(clerk_id="user_1").name == ""
