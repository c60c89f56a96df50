"""When the next credits come, by the subscriptions that are stored."""

import time
from datetime import datetime
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from credits.clerk.billing.projection import add_months, moment
from credits.clerk.billing.releases import next_grant
from credits.features import FEATURES
from credits.models import User
from tests.api import Api, assert_problem
from tests.credits.clerk.histories import receive_all
from tests.factories import make_plan, make_user, set_price
from tests.fakes.clerk_events import DAY, History, item_json

NOW = int(time.time() * 1000)


def subscribed(*items: dict[str, Any], **fields: Any) -> User:
    """A user with these items, or with one."""
    history = History()
    for item in items or [fields]:
        history.item("updated", item_json("user_1", updated_at=NOW, **item), at=NOW)
    receive_all(history.events)
    return User.objects.get(clerk_id="user_1")


@pytest.fixture(autouse=True)
def plans(db: None) -> None:
    make_plan("cplan_pro", credits=500)
    make_plan("cplan_free", credits=10)


def test_a_month_that_is_paid_is_followed_by_the_next() -> None:
    user = subscribed(period_start=NOW - DAY, period_end=NOW + 5 * DAY)
    assert next_grant(user) == (moment(NOW + 5 * DAY), 500)


def test_what_is_canceled_brings_no_more() -> None:
    user = subscribed(period_start=NOW - DAY, period_end=NOW + 5 * DAY, status="canceled")
    assert next_grant(user) is None


def test_a_year_brings_the_next_month() -> None:
    start = NOW - 40 * DAY
    user = subscribed(period_start=start, period_end=add_months(start, 12), interval="annual")
    assert next_grant(user) == (moment(add_months(start, 2)), 500)


@pytest.mark.parametrize(("months", "brings_more"), [(12, True), (2, False)])
def test_a_canceled_year_brings_its_other_months(months: int, brings_more: bool) -> None:
    start = NOW - 40 * DAY
    user = subscribed(
        period_start=start, period_end=add_months(start, months), interval="annual",
        status="canceled",
    )  # fmt: skip
    assert next_grant(user) == ((moment(add_months(start, 2)), 500) if brings_more else None)


@pytest.mark.parametrize(("plan_id", "credits"), [("cplan_free", 10), ("cplan_pro", 500)])
def test_after_what_is_canceled_comes_the_plan_that_follows_it(plan_id: str, credits: int) -> None:
    end = NOW + 5 * DAY
    canceled = {"period_start": NOW - DAY, "period_end": end, "status": "canceled"}
    follows = {"period_start": end, "period_end": None, "status": "upcoming", "plan_id": plan_id}
    assert next_grant(subscribed(canceled, follows)) == (moment(end), credits)


def test_a_plan_that_should_have_begun_is_not_announced() -> None:
    user = subscribed(period_start=NOW - DAY, period_end=None, status="upcoming")
    assert next_grant(user) is None


def test_a_plan_that_is_not_mapped_or_brings_nothing_is_not_announced() -> None:
    user = subscribed(plan_id="cplan_other", period_start=NOW - DAY, period_end=NOW + 5 * DAY)
    assert next_grant(user) is None


def test_a_local_account_asks_nothing(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    user = make_user()
    with django_assert_num_queries(0):
        assert next_grant(user) is None


def test_the_button_that_is_off_says_when_credits_come(client: Client) -> None:
    client.force_login(subscribed(period_start=NOW - DAY, period_end=NOW + 5 * DAY))
    assert "Your next" not in client.get("/ai-chat").text
    set_price("ai_text_chat", 1000)
    assert "Your next 500 credits come on <time" in client.get("/ai-chat").text


MESSAGE = {"id": "1", "role": "user", "parts": [{"type": "text", "text": "Hello"}]}
PAID = [("/api/ai/chat", {"messages": [MESSAGE]}), ("/api/ai/image", {"prompt": "A tree"})]


@pytest.mark.parametrize(("path", "body"), PAID)
def test_a_paid_call_without_credits_says_what_comes_and_when(
    path: str, body: dict[str, Any]
) -> None:
    """The same as the page says."""
    people = [subscribed(period_start=NOW - DAY, period_end=NOW + 5 * DAY), make_user(credits=5)]
    for feature in FEATURES:
        set_price(feature, 1000)
    said = [
        assert_problem(Api(user).send("post", path, body), 402, "insufficient_credits")["next"]
        for user in people
    ]
    assert said[1] is None
    assert (said[0].keys(), said[0]["credits"]) == ({"credits", "at"}, 500)
    assert datetime.fromisoformat(said[0]["at"]) == moment(NOW + 5 * DAY)
