"""Replaying deliveries from the desk: asked first, told after, recorded, and never twice."""

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from credits.catalogue.plans import create_plan
from credits.clerk.webhooks import handlers, replays
from credits.ledger import get_balance
from credits.models import AuditEntry, CreditGrant, User, WebhookDelivery
from tests.credits.clerk.conftest import Deliver
from tests.fakes.clerk import Json, user_json
from tests.fakes.clerk_events import event, item_json

pytestmark = pytest.mark.django_db
NOW = int(time.time() * 1000)
ALL = "/admin/webhooks/replay"


def user_event(user_id: str = "user_1") -> Json:
    return event("user.created", user_json(user_id, email=f"{user_id}@example.com", at=1), at=1)


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`fails(lambda event: …)` makes handlers fail for some events; `fails(None)` for none."""
    real = handlers.handle
    rule: list[Callable[..., bool] | None] = [bool]

    def handle(event: Any) -> Any:
        if rule[0] and rule[0](event):
            raise RuntimeError("the handler broke")
        return real(event)

    monkeypatch.setattr(handlers, "handle", handle)

    def change(new: Callable[..., bool] | None) -> None:
        rule[0] = new

    return change


def send(desk: Client, answer: Any) -> Any:
    """Presses the button of the page's form."""
    form = re.search(r'<form class="(?:bar|stack)"[^>]* method="post".*?</form>',
                     answer.text, re.DOTALL)[0]  # fmt: skip
    fields = dict(re.findall(r'name="([a-z_]+)" value="([^"]*)"', form))
    return desk.post(ALL, fields)


def told(answer: Any) -> list[str]:
    return [str(message) for message in answer.wsgi_request._messages]


def test_one_is_replayed_after_a_question_and_recorded(
    desk: Client, admin: User, deliver: Deliver, fails: Callable[..., None]
) -> None:
    assert deliver(user_event(), "msg_1").status_code == 500
    delivery = WebhookDelivery.objects.get()
    question = desk.get(f"/admin/webhooks/{delivery.pk}/replay")
    assert "Replay 1 delivery?" in question.text
    fails(None)
    answer = desk.post(f"/admin/webhooks/{delivery.pk}/replay", follow=True)
    assert "1 processed, 0 failed." in answer.text
    delivery.refresh_from_db()
    assert (delivery.error, delivery.attempts) == ("", 2)
    assert User.objects.filter(clerk_id="user_1").exists()
    first, last = AuditEntry.objects.order_by("pk")
    assert (first.action, first.actor, first.origin) == ("webhook.replay", admin, "127.0.0.1")
    assert first.target == f"delivery {delivery.pk} (user.created)"
    assert (last.action, last.after) == ("webhook.replayed", {"processed": 1, "failed": []})


def test_one_that_fails_again_says_so(
    desk: Client, deliver: Deliver, fails: Callable[..., None]
) -> None:
    deliver(user_event(), "msg_1")
    delivery = WebhookDelivery.objects.get()
    answer = desk.post(f"/admin/webhooks/{delivery.pk}/replay", follow=True)
    assert "0 processed, 1 failed" in answer.text
    assert AuditEntry.objects.latest("pk").after == {"processed": 0, "failed": [delivery.pk]}


def test_all_failed_are_counted_replayed_and_the_result_told(
    desk: Client, deliver: Deliver, fails: Callable[..., None]
) -> None:
    for n in range(13):
        deliver(user_event(f"user_{n}"), f"msg_{n}")
    fails(lambda event: event.data["id"] == "user_7")
    question = desk.get(ALL, {"which": "failed"})
    assert "Replay 13 failed deliveries?" in question.text
    assert "13 user.created" in question.text
    answer = send(desk, question)
    assert (answer.status_code, answer.url) == (302, "/admin/webhooks?status=failed")
    assert "12 processed, 1 failed." in desk.get(answer.url).text
    assert User.objects.filter(clerk_id__startswith="user_").count() == 12
    failed = WebhookDelivery.objects.get(svix_id="msg_7").pk
    assert AuditEntry.objects.latest("pk").after == {"processed": 12, "failed": [failed]}


def test_many_go_in_batches_that_meet_nothing_twice(
    desk: Client, deliver: Deliver, fails: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "BATCH", 4)
    for n in range(10):
        deliver(user_event(f"user_{n}"), f"msg_{n}")
    fails(lambda event: event.data["id"] == "user_1")
    question = desk.get(ALL)
    deliver(user_event("user_1"), "msg_meanwhile")
    first = send(desk, question)
    assert "4 of 10 deliveries: 3 processed, 1 failed." in first.text
    second = send(desk, first)
    assert "8 of 10 deliveries: 7 processed, 1 failed." in second.text
    last = send(desk, second)
    assert told(last) == ["9 processed, 1 failed."]
    assert WebhookDelivery.objects.get(svix_id="msg_meanwhile").attempts == 1
    assert AuditEntry.objects.filter(action="webhook.replay").count() == 3


def test_a_script_gets_the_next_batch_and_then_the_list(
    desk: Client, deliver: Deliver, fails: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "BATCH", 1)
    for n in range(2):
        deliver(user_event(f"user_{n}"), f"msg_{n}")
    fails(None)
    choice = desk.get(ALL).context["choice"]
    fields = {"which": "failed", "up_to": choice["up_to"], "total": choice["total"]}
    answer = desk.post(ALL, fields, headers={"HX-Request": "true"})
    assert answer.text.strip().startswith("<form")
    after = re.search(r'name="after" value="(\d+)"', answer.text)[1]
    answer = desk.post(
        ALL, {**fields, "after": after, "processed": 1}, headers={"HX-Request": "true"}
    )
    assert answer["HX-Redirect"] == "/admin/webhooks"
    assert told(answer) == ["2 processed, 0 failed."]


@pytest.mark.django_db(transaction=True)
def test_a_plan_mapped_later_brings_what_its_deliveries_earned(
    desk: Client, admin: User, deliver: Deliver
) -> None:
    item = item_json("user_1", "cplan_team", period_start=NOW)
    deliver(event("subscriptionItem.active", item, at=NOW), "msg_1")
    assert not CreditGrant.objects.exists()
    question = desk.get(ALL, {"which": "unmapped"})
    assert "Replay 1 unmapped delivery?" in question.text
    assert "cplan_team" in question.text
    assert told(send(desk, question)) == ["1 processed, 0 failed."]
    assert WebhookDelivery.objects.get().unmapped, "Nobody has given the plan credits."
    create_plan(actor=admin, clerk_id="cplan_team", name="Team", credits=700)
    assert get_balance(user_id=User.objects.get(clerk_id="user_1").pk).remaining == 700
    assert "Nothing to replay" in desk.get(ALL, {"which": "unmapped"}).text


def test_a_replay_after_mapping_grants_once(desk: Client, admin: User, deliver: Deliver) -> None:
    """As when the mapping's own release was lost: it happens on commit, which a test has not."""
    item = item_json("user_1", "cplan_team", period_start=NOW)
    deliver(event("subscriptionItem.active", item, at=NOW), "msg_1")
    create_plan(actor=admin, clerk_id="cplan_team", name="Team", credits=700)
    question = desk.get(ALL, {"which": "unmapped"})
    for _ in range(2):
        send(desk, question)
    grant = CreditGrant.objects.get()
    assert grant.amount == 700
    delivery = WebhookDelivery.objects.get()
    assert not delivery.unmapped
    assert {"what": "grant", "id": grant.pk} in delivery.effects[-1]["changes"]


@pytest.mark.parametrize("fields", [{}, {"which": "all", "up_to": 1, "total": 1}, {"up_to": "x"}])
def test_a_wrong_form_replays_nothing_and_asks_again(
    desk: Client, deliver: Deliver, fails: Callable[..., None], fields: dict[str, Any]
) -> None:
    deliver(user_event(), "msg_1")
    fails(None)
    answer = desk.post(ALL, fields)
    assert answer.status_code == 400
    assert "Replay 1 failed delivery?" in answer.text
    assert not AuditEntry.objects.exists()


def test_nobody_replays_with_a_link_or_without_a_token(
    admin: User, deliver: Deliver, fails: Callable[..., None]
) -> None:
    deliver(user_event(), "msg_1")
    delivery = WebhookDelivery.objects.get()
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(admin)
    browser.get(f"/admin/webhooks/{delivery.pk}/replay")
    assert browser.post(f"/admin/webhooks/{delivery.pk}/replay").status_code == 403
    assert browser.post(ALL, {"which": "failed"}).status_code == 403
    delivery.refresh_from_db()
    assert delivery.attempts == 1
