"""/admin/webhooks: what is listed, counted, filtered and paged."""

import re
import time
from html import unescape
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from credits.clerk.webhooks import handlers, inbox
from credits.models import WebhookDelivery
from tests.credits.clerk.conftest import Deliver
from tests.fakes.clerk import Json, user_json
from tests.fakes.clerk_events import event, item_json

pytestmark = pytest.mark.django_db
NOW = int(time.time() * 1000)
PATH = "/admin/webhooks"


def user_event(user_id: str = "user_1", kind: str = "created") -> Json:
    person = user_json(user_id, email=f"{user_id}@example.com", at=NOW)
    return event(f"user.{kind}", person, at=NOW)


def item_event(user_id: str = "user_1", plan: str = "cplan_team") -> Json:
    return event("subscriptionItem.active", item_json(user_id, plan, period_start=NOW), at=NOW)


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Makes handlers fail, until told otherwise."""

    def explode(event: object) -> None:
        raise RuntimeError("the handler broke")

    monkeypatch.setattr(handlers, "handle", explode)
    return monkeypatch


def listed(answer: Any) -> list[int]:
    """The ids of the deliveries on the page."""
    return [int(pk) for pk in re.findall(r'href="/admin/webhooks/(\d+)"', answer.text)]


def beside(which: str, answer: Any) -> str:
    """The address of the next or the previous page."""
    return unescape(re.search(rf'rel="{which}" href="([^"]*)"', answer.text)[1])


def test_deliveries_are_listed_newest_first_with_what_became_of_them(
    desk: Client, deliver: Deliver
) -> None:
    deliver(user_event(), "msg_1")
    deliver(item_event(), "msg_2")
    answer = desk.get(PATH)
    first, second = WebhookDelivery.objects.order_by("pk")
    assert listed(answer) == [second.pk, first.pk]
    assert "user.created" in answer.text
    assert "subscriptionItem.active" in answer.text
    assert "unmapped plan" in answer.text
    assert "user_1@example.com" in answer.text
    assert answer["Cache-Control"].startswith("max-age=0")


def test_a_failed_one_shows_its_error_and_attempts(
    desk: Client, deliver: Deliver, fails: pytest.MonkeyPatch
) -> None:
    deliver(user_event(), "msg_1")
    deliver(user_event(), "msg_1")
    answer = desk.get(PATH)
    assert "RuntimeError: the handler broke" in answer.text
    assert answer.context["page"].rows[0].status == "failed"
    assert answer.context["page"].rows[0].delivery.attempts == 2
    assert "Replay all failed" in answer.text


def test_each_status_is_counted_and_is_a_filter(
    desk: Client, deliver: Deliver, fails: pytest.MonkeyPatch
) -> None:
    deliver(user_event("user_1"), "msg_1")
    fails.undo()
    deliver(user_event("user_2"), "msg_2")
    deliver(item_event("user_2"), "msg_3")
    WebhookDelivery.objects.create(svix_id="msg_4", type="user.updated", payload={"data": {}})
    by_status = {"failed": "msg_1", "processed": "msg_2", "unmapped": "msg_3", "waiting": "msg_4"}
    answer = desk.get(PATH)
    assert answer.context["counts"] == {"all": 4, "open": 2, **dict.fromkeys(by_status, 1)}
    for status, svix_id in by_status.items():
        page = desk.get(PATH, {"status": status}).context["page"]
        assert [row.delivery.svix_id for row in page.rows] == [svix_id]


def test_what_is_not_processed_is_a_filter_that_the_health_card_leads_to(
    desk: Client, deliver: Deliver, fails: pytest.MonkeyPatch
) -> None:
    assert "Not processed" not in desk.get(PATH).text
    deliver(user_event("user_1"), "msg_1")
    fails.undo()
    deliver(user_event("user_2"), "msg_2")
    WebhookDelivery.objects.create(svix_id="msg_3", type="user.updated", payload={"data": {}})
    answer = desk.get(PATH, {"status": "open"})
    assert [row.delivery.svix_id for row in answer.context["page"].rows] == ["msg_3", "msg_1"]
    assert re.search(r'aria-current="true">Not processed <span class="num">2<', answer.text)


def test_filters_by_type_family_payer_and_day(desk: Client, deliver: Deliver) -> None:
    deliver(user_event("user_1"), "msg_1")
    deliver(user_event("user_2", "updated"), "msg_2")
    deliver(item_event("user_2"), "msg_3")

    def ids(**query: Any) -> list[str]:
        rows = desk.get(PATH, query).context["page"].rows
        return [row.delivery.svix_id for row in rows]

    assert ids(type="user.updated") == ["msg_2"]
    assert ids(type="user") == ids(type="user.") == ["msg_2", "msg_1"]
    assert ids(payer="user_2") == ["msg_3", "msg_2"]
    assert ids(payer="USER_2@example.com") == ["msg_3", "msg_2"]
    assert ids(payer="nobody@example.com") == []
    today = f"{WebhookDelivery.objects.first().received_at:%Y-%m-%d}"
    assert ids(**{"from": today, "to": today, "type": "user"}) == ["msg_2", "msg_1"]
    assert ids(to="2020-01-01") == []


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"from": "yesterday"}, "Write a day as"),
        ({"from": "2026-02-02", "to": "2026-02-01"}, "The first day is after the last one."),
        ({"status": "lost"}, "There is no such status."),
        ({"before": "x"}, "There is no such row."),
        ({"type": "a\0b"}, "Null characters are not allowed."),
    ],
)
def test_a_wrong_filter_is_told_beside_it(desk: Client, query: dict[str, str], told: str) -> None:
    answer = desk.get(PATH, query)
    assert answer.status_code == 400
    assert told in answer.text


def test_pages_go_back_and_forth_and_do_not_shift(desk: Client) -> None:
    WebhookDelivery.objects.bulk_create(
        WebhookDelivery(
            svix_id=f"msg_{n}", type="user.created", payload={}, payer_kind="user", payer_id="u"
        )
        for n in range(120)
    )
    newest = WebhookDelivery.objects.latest("pk").pk
    first = desk.get(PATH)
    assert listed(first) == list(range(newest, newest - 50, -1))
    WebhookDelivery.objects.create(svix_id="meanwhile", type="user.created", payload={})
    second = desk.get(beside("next", first))
    assert listed(second) == list(range(newest - 50, newest - 100, -1))
    third = desk.get(beside("next", second))
    assert len(listed(third)) == 20
    assert 'rel="next"' not in third.text
    back = desk.get(beside("prev", second))
    assert listed(back) == listed(first)


def test_what_a_delivery_says_is_escaped(desk: Client, deliver: Deliver) -> None:
    payload = user_event()
    payload["type"] = "<script>alert(1)</script>"
    deliver(payload, "msg_<b>")
    pk = WebhookDelivery.objects.get().pk
    for page in (PATH, f"{PATH}/{pk}", f"{PATH}/{pk}/replay", f"{PATH}/replay?which=failed"):
        assert "<script>alert" not in desk.get(page).text


def test_without_clerk_the_page_says_what_to_set_up_and_lists_what_is_there(
    desk: Client, settings: Settings
) -> None:
    settings.CLERK_WEBHOOK_SIGNING_SECRET = []
    answer = desk.get(PATH)
    assert "CLERK_WEBHOOK_SIGNING_SECRET" in answer.text
    assert "http://testserver/api/webhooks/clerk" in answer.text
    assert "Nothing was delivered yet" in answer.text
    WebhookDelivery.objects.create(svix_id="msg_1", type="user.created", payload={"data": {}})
    answer = desk.get(PATH)
    assert len(listed(answer)) == 1
    assert "What came in before stands below" in answer.text


def test_an_empty_inbox_says_how_to_try_it(desk: Client) -> None:
    assert "send_sample_webhook" in desk.get(PATH).text
    assert "No such deliveries" in desk.get(PATH, {"type": "user"}).text


def test_plans_that_people_paid_for_are_named_until_they_have_credits(
    desk: Client, deliver: Deliver
) -> None:
    deliver(item_event("user_1"), "msg_1")
    deliver(item_event("user_2"), "msg_2")
    answer = desk.get(PATH)
    assert answer.context["plans"] == [("cplan_team", 2)]
    assert "2 subscriptions" in answer.text


def test_a_page_asks_the_database_the_same_few_questions_however_long_it_is(
    desk: Client, django_assert_max_num_queries: DjangoAssertNumQueries, deliver: Deliver
) -> None:
    deliver(user_event(), "msg_0")
    for n in range(60):
        inbox.receive(svix_id=f"msg_{n}", payload=user_event(f"user_{n}"))
    with django_assert_max_num_queries(12):
        assert len(listed(desk.get(PATH))) == 50
