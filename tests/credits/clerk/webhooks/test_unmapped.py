"""The flag on deliveries that wait for a plan: it goes when nothing waits any more."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from credits.clerk.billing.releases import release_due
from credits.models import CreditGrant, WebhookDelivery
from tests.credits.clerk.conftest import Send
from tests.factories import make_plan
from tests.fakes.clerk import Json
from tests.fakes.clerk_events import DAY, item_json, payer_json

pytestmark = pytest.mark.django_db
NOW = int(time.time() * 1000)
START = NOW - DAY

type Map = Callable[..., None]


@pytest.fixture
def map_plan(django_capture_on_commit_callbacks: Any) -> Map:
    def save(clerk_id: str, credits: int = 100) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            make_plan(clerk_id, credits=credits)

    return save


def subscription(*items: Json) -> Json:
    bare = [{k: v for k, v in item.items() if k != "payer"} for item in items]
    return {"id": "csub", "payer": payer_json("user_1"), "items": bare, "updated_at": NOW}


def flagged() -> bool:
    return WebhookDelivery.objects.get().unmapped


def item(plan_id: str, **fields: Any) -> Json:
    return item_json("user_1", plan_id, period_start=START, **fields)


@pytest.mark.parametrize("kind", ["created", "updated", "active"])
def test_a_subscription_keeps_its_flag_until_its_last_plan_is_mapped(
    send: Send, map_plan: Map, kind: str
) -> None:
    data = subscription(item("cplan_pro"), item("cplan_max"))
    assert send(f"subscription.{kind}", data) == "unmapped_plan"
    map_plan("cplan_other")
    map_plan("cplan_pro")
    assert flagged()
    map_plan("cplan_max", credits=500)
    assert not flagged()
    assert sorted(CreditGrant.objects.values_list("amount", flat=True)) == [100, 500]


def test_what_earns_nothing_waits_for_nothing(send: Send, map_plan: Map) -> None:
    ended = item("cplan_old", status="ended", updated_at=NOW)
    free = item("cplan_free", period_end=None)
    send("subscription.updated", subscription(item("cplan_pro"), ended, free))
    assert flagged()
    map_plan("cplan_pro")
    assert not flagged()


@pytest.mark.parametrize("whole", [True, False])
def test_a_plan_that_is_named_by_its_object_alone_is_known(
    send: Send, map_plan: Map, whole: bool
) -> None:
    data = {**item("cplan_pro"), "plan_id": None}
    if whole:
        send("subscription.active", subscription(data))
    else:
        send("subscriptionItem.active", data)
    assert flagged()
    map_plan("cplan_pro")
    assert not flagged()


def test_a_plan_that_brings_nothing_is_mapped_too(send: Send, map_plan: Map) -> None:
    send("subscription.active", subscription(item("cplan_pro")))
    map_plan("cplan_pro", credits=0)
    assert not flagged()


def test_a_delivery_that_came_while_its_plan_was_being_saved_is_settled_within_the_hour(
    send: Send, map_plan: Map
) -> None:
    send("subscription.active", subscription(item("cplan_pro")))
    make_plan("cplan_pro", credits=100)  # Its own look, after the commit, did not see the delivery.
    release_due()
    assert CreditGrant.objects.get().amount == 100
    assert not flagged()
