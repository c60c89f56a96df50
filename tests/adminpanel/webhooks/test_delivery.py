"""/admin/webhooks/{id}: what a delivery did, and what it says."""

import time
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks

from credits.catalogue.plans import create_plan
from credits.models import CreditGrant, UsageHistory, User, WebhookDelivery
from tests.credits.clerk.conftest import Deliver
from tests.factories import make_plan
from tests.fakes.clerk import Json, user_json
from tests.fakes.clerk_events import DAY, event, item_json, payment_json

pytestmark = pytest.mark.django_db
NOW = int(time.time() * 1000)


def get_page(desk: Client, svix_id: str) -> Any:
    pk = WebhookDelivery.objects.get(svix_id=svix_id).pk
    answer = desk.get(f"/admin/webhooks/{pk}")
    assert answer.status_code == 200
    return answer


def changes(answer: Any) -> list[tuple[str, str]]:
    processings = answer.context["processings"]
    return [(line.what, line.text) for processing in processings for line in processing.changes]


def item_event(kind: str = "active", **fields: Any) -> Json:
    item = item_json("user_1", **{"period_start": NOW - DAY, **fields})
    return event(f"subscriptionItem.{kind}", item, at=NOW)


def test_a_purchase_shows_its_state_and_its_grant_with_the_journals_row(
    desk: Client, deliver: Deliver
) -> None:
    make_plan("cplan_pro", credits=100)
    deliver(item_event(), "msg_1")
    answer = get_page(desk, "msg_1")
    (account, item, grant) = changes(answer)
    assert account == ("Account", "created")
    assert item[1].startswith("status active, plan cplan_pro, period from ")
    assert grant == ("Grant", "+100 credits")
    row = UsageHistory.objects.get()
    assert f'href="/admin/usage?row={row.pk}#row-{row.pk}"' in answer.text
    assert CreditGrant.objects.get().key in answer.text
    (now,) = answer.context["items"]
    assert now.newest
    assert [(one.grant.amount, one.here) for one in now.grants] == [(100, True)]
    user = User.objects.get(clerk_id="user_1")
    assert answer.context["person"] == user


def test_what_waited_for_its_plan_says_so_when_it_waits_no_more(
    desk: Client,
    deliver: Deliver,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    deliver(item_event(), "msg_1")
    assert "names a plan that nobody gave credits here" in get_page(desk, "msg_1").text
    with django_capture_on_commit_callbacks(execute=True):
        create_plan(actor=None, clerk_id="cplan_pro", name="Pro", credits=100)
    answer = get_page(desk, "msg_1")
    assert "nobody had given its plan credits here. Nothing waits for that any more" in answer.text
    assert "missing or odd" not in answer.text
    assert [one.grant.amount for now in answer.context["items"] for one in now.grants] == [100]


def test_a_second_event_of_the_same_period_says_that_it_changed_nothing_of_the_credits(
    desk: Client, deliver: Deliver
) -> None:
    make_plan("cplan_pro", credits=100)
    first = item_event()
    deliver(first, "msg_1")
    deliver({**first, "type": "subscriptionItem.updated"}, "msg_2")
    answer = get_page(desk, "msg_2")
    assert changes(answer) == []
    assert "It changed nothing" in answer.text
    ((now,),) = ([one.here for one in item.grants] for item in answer.context["items"])
    assert now is False
    assert "another delivery, a sync, or our clock" in answer.text


def test_an_end_shows_what_was_and_what_is(desk: Client, deliver: Deliver) -> None:
    make_plan("cplan_pro", credits=100)
    first = item_event()
    deliver(first, "msg_1")
    data = {**first["data"], "status": "ended", "updated_at": NOW + 5, "period_end": None}
    deliver(event("subscriptionItem.ended", data, at=NOW + 5), "msg_2")
    (item, end) = changes(get_page(desk, "msg_2"))
    assert item == ("Subscription", "status active → ended")
    assert end[0] == "End of a grant"
    assert not get_page(desk, "msg_1").context["items"][0].newest


def test_an_account_s_changes_are_named_but_not_kept(desk: Client, deliver: Deliver) -> None:
    deliver(event("user.created", user_json("user_1", email="a@example.com", at=1), at=1), "msg_1")
    changed = user_json("user_1", email="b@example.com", at=2, last_name="Roe", banned=True)
    deliver(event("user.updated", changed, at=2), "msg_2")
    assert changes(get_page(desk, "msg_1")) == [("Account", "created")]
    assert changes(get_page(desk, "msg_2")) == [
        ("Account", "changed: ban, name, email, whether the account is open")
    ]
    deliver(event("user.deleted", {"id": "user_1", "deleted": True}, at=3), "msg_3")
    assert changes(get_page(desk, "msg_3")) == [("Account", "deleted")]
    kept = WebhookDelivery.objects.values_list("effects", flat=True)
    assert "example.com" not in str(list(kept))


def test_a_payment_shows_its_state_and_says_that_it_grants_nothing(
    desk: Client, deliver: Deliver
) -> None:
    for status, svix_id in (("pending", "msg_1"), ("paid", "msg_2")):
        at = NOW + len(svix_id + status)
        data = payment_json("user_1", "cpa_1", at=at, status=status)
        deliver(event("paymentAttempt.updated", data, at=at), svix_id)
    assert changes(get_page(desk, "msg_1")) == [("Payment", "pending")]
    answer = get_page(desk, "msg_2")
    assert changes(answer) == [("Payment", "pending → paid")]
    assert "A payment grants nothing itself" in answer.text
    assert answer.context["payment"].payment_id == "cpa_1"


def test_a_session_s_end_is_told(desk: Client, deliver: Deliver) -> None:
    data = {"object": "session", "id": "sess_1", "user_id": "user_1"}
    deliver(event("session.ended", data, at=NOW), "msg_1")
    assert changes(get_page(desk, "msg_1"))[-1][0] == "Session"


def test_what_was_processed_before_changes_were_kept_says_so(
    desk: Client, deliver: Deliver
) -> None:
    deliver(item_event(), "msg_1")
    WebhookDelivery.objects.update(effects=None)
    answer = get_page(desk, "msg_1")
    assert "Not known: it was processed before changes were kept." in answer.text
    assert len(answer.context["items"]) == 1


def test_the_payload_is_readable_escaped_and_without_secrets(
    desk: Client, deliver: Deliver
) -> None:
    person = user_json("user_1", email="a@example.com", at=1, private_metadata={"card": "4242"})
    person["first_name"] = "<img src=x onerror=alert(1)>"
    person["public_metadata"] = {"secret": "hush", "deep": [1, {"token": "tok_1"}]}
    deliver(event("user.created", person, at=1), "msg_1")
    text = get_page(desk, "msg_1").text
    assert "&lt;img src=x onerror" in text
    assert "<img src=x" not in text
    assert "email_addresses" in text
    for secret in ("4242", "hush", "tok_1"):
        assert secret not in text


def test_codes_in_messages_of_clerk_s_are_not_shown(desk: Client, deliver: Deliver) -> None:
    data = {
        "object": "email",
        "id": "ema_1",
        "slug": "verification_code",
        "subject": "123456 is your code",
        "body": "<b>123456</b>",
        "body_plain": "123456",
        "data": {"otp_code": "123456"},
    }
    deliver(event("email.created", data, at=NOW), "msg_1")
    text = get_page(desk, "msg_1").text
    assert "verification_code" in text
    assert "123456" not in text


def test_an_emptied_payload_says_so_and_what_it_did_stays(desk: Client, deliver: Deliver) -> None:
    make_plan("cplan_pro", credits=100)
    deliver(item_event(), "msg_1")
    WebhookDelivery.objects.update(payload={}, forgotten=True)
    answer = get_page(desk, "msg_1")
    assert "Emptied:" in answer.text
    assert ("Grant", "+100 credits") in changes(answer)
    assert [len(now.grants) for now in answer.context["items"]] == [1]
    path = f"/admin/webhooks/{WebhookDelivery.objects.get().pk}/replay"
    assert path not in answer.text
    assert "nothing to replay" in desk.post(path, follow=True).text
    assert WebhookDelivery.objects.get().attempts == 1


def test_a_deep_or_long_payload_is_cut(desk: Client) -> None:
    deep: object = "end"
    for _ in range(60):
        deep = {"in": deep}
    payload = {"type": "x.y", "data": {"deep": deep, "many": list(range(500))}}
    WebhookDelivery.objects.create(svix_id="msg_1", type="x.y", payload=payload)
    assert "300 more" in get_page(desk, "msg_1").text


def test_what_is_not_there_is_a_404(desk: Client) -> None:
    assert desk.get("/admin/webhooks/1").status_code == 404
    assert desk.get("/admin/webhooks/99999999999999999999").status_code == 404
    assert desk.post("/admin/webhooks/1/replay").status_code == 404
