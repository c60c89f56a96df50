"""The proof: one payer's whole life, told in every order that a window of five allows, with
duplicates and side by side, ends the same."""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count, permutations
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from credits.clerk.billing.projection import (
    ItemState,
    grants_of,
    merge_item,
    merge_period,
    period_of,
)
from credits.clerk.parsing import as_objects, parse_item, parse_payer
from credits.clerk.webhooks import handlers
from credits.clerk.webhooks.inbox import receive
from credits.ledger import grant_credits
from credits.models import CreditGrant, UsageHistory, User, WebhookDelivery
from tests.credits.clerk.histories import (
    final_state,
    receive_all,
    renamed,
    rolled_back,
    with_duplicates,
)
from tests.factories import make_plan
from tests.fakes import clerk_events
from tests.fakes.clerk import INSTANCE, Json
from tests.fakes.clerk_events import full_history
from tests.parallel import in_parallel

NOW = int(time.time() * 1000)
HISTORY = full_history(NOW)
WINDOW = 5
WINDOWS = range(len(HISTORY.events) - WINDOW + 1)


@pytest.fixture
def plans(db: None) -> None:
    make_plan("cplan_free", credits=10)
    make_plan("cplan_pro", credits=100)
    make_plan("cplan_max", credits=500)


# --- The projection itself, every order --------------------------------------------------------


def versions_of(event: Json) -> list[Any]:
    read = handlers.read_event(event, received_ms=NOW)
    payer = parse_payer(read.data.get("payer"))
    family = read.type.partition(".")[0]
    items = {"subscriptionItem": [read.data], "subscription": as_objects(read.data.get("items"))}
    return [
        parse_item(item, payer=payer, instance_id=INSTANCE, seen=read.seen)
        for item in items.get(family, [])
    ]


def project_all(
    versions: Iterable[Any], start: Any = None
) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """The projection in memory: items and periods after these versions."""
    earlier_items, earlier_periods = start or ({}, {})
    items, periods = dict(earlier_items), dict(earlier_periods)
    for version in versions:
        items[version.item_id] = merge_item(items.get(version.item_id, ItemState()), version)
        if seen := period_of(version):
            name = (version.item_id, seen.plan_id, seen.start, seen.trial)
            periods[name] = merge_period(periods.get(name, replace(seen, earned=False)), seen)
    return items, periods


def earned(items: dict[Any, Any], periods: dict[Any, Any]) -> set[Any]:
    return {
        grant
        for (item_id, *_), period in periods.items()
        for grant in grants_of(
            period, ends=items[item_id].ends, payer_id="user_1", instance_id=INSTANCE
        )
    }


VERSIONS = [version for _, event in HISTORY.events for version in versions_of(event)]


@pytest.mark.parametrize("first", range(len(VERSIONS) - WINDOW + 1))
def test_every_order_of_five_versions_projects_the_same(first: int) -> None:
    before = project_all(VERSIONS[:first])
    window = VERSIONS[first : first + WINDOW]
    expected = project_all(window, before)
    for order in permutations(window):
        got = project_all((*order, order[0]), before)
        assert got == expected
        assert earned(*got) == earned(*expected)


@given(st.permutations(VERSIONS), st.lists(st.sampled_from(VERSIONS), max_size=8))
@hypothesis_settings(max_examples=150, deadline=None)
def test_any_order_of_a_whole_life_projects_the_same(order: Any, repeated: Any) -> None:
    expected = project_all(VERSIONS)
    got = project_all([*order, *repeated])
    assert got == expected
    assert earned(*got) == earned(*expected)


# --- The same with the database, the inbox and the ledger ---------------------------------------


def test_a_life_ends_as_it_should(plans: None) -> None:
    receive_all(HISTORY.events)
    end = final_state()
    assert end["balance"] == 100
    grants = CreditGrant.objects.order_by("expires_at")
    # Trial, purchase, renewal; upgrade, recovery; re-subscription.
    assert [grant.amount for grant in grants] == [100, 100, 100, 500, 500, 100]
    assert [grant.remaining for grant in grants] == [0, 0, 0, 0, 0, 100]
    assert [status for _, _, status, *_ in end["items"]].count("active") == 1
    assert end["payments"] == [(f"cpa_user_1_{number}", "paid") for number in (1, 2, 3)]
    assert end["person"] == ("John Roe", "user_1@example.com", True)


def assert_orders_end_the_same(
    first: int, orders: Callable[..., Iterable[Any]], chance: Random
) -> None:
    window = HISTORY.events[first : first + WINDOW]
    receive_all(HISTORY.events[:first])
    with rolled_back():
        receive_all(window)
        expected = final_state() if known() else None
    for order in orders(window):
        with rolled_back():
            receive_all(with_duplicates(order, chance))
            assert (final_state() if known() else None) == expected, [name for name, _ in order]


def known() -> bool:
    return User.objects.filter(clerk_id="user_1").exists()


@pytest.mark.parametrize("first", WINDOWS)
def test_orders_of_five_events_end_the_same(plans: None, first: int) -> None:
    chance = random.Random(first)

    def sample(window: Sequence[Json]) -> Iterator[tuple[Json, ...]]:
        yield tuple(reversed(window))
        yield tuple(chance.sample(window, k=WINDOW))

    assert_orders_end_the_same(first, sample, chance)


@pytest.mark.slow
@pytest.mark.parametrize("first", WINDOWS)
def test_every_order_of_five_events_ends_the_same(plans: None, first: int) -> None:
    assert_orders_end_the_same(first, permutations, random.Random(first))


@pytest.mark.slow
@given(order=st.permutations(HISTORY.events))
@hypothesis_settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_order_of_a_whole_life_ends_the_same(plans: None, order: Any) -> None:
    with rolled_back():
        receive_all(HISTORY.events)
        expected = final_state()
    with rolled_back():
        receive_all(order)
        assert final_state() == expected


def test_a_life_told_backwards_ends_the_same(plans: None) -> None:
    with rolled_back():
        receive_all(HISTORY.events)
        expected = final_state()
    receive_all(reversed(HISTORY.events))
    assert final_state() == expected


def test_a_pack_and_an_adjustment_stand_beside_all_of_it(plans: None) -> None:
    receive_all(HISTORY.events[:1])
    user = User.objects.get(clerk_id="user_1")
    for source in (CreditGrant.Source.PACK, CreditGrant.Source.ADJUSTMENT):
        grant_credits(user_id=user.pk, source=source, amount=7, key=f"test:{source}")
    receive_all(random.Random(7).sample(HISTORY.events, k=len(HISTORY.events)))
    kept = CreditGrant.objects.filter(key__startswith="test:")
    assert [grant.remaining for grant in kept] == [7, 7]


# --- Side by side -------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_one_event_delivered_100_times_at_once_grants_once() -> None:
    make_plan("cplan_pro", credits=100)
    name, payload = next(d for d in HISTORY.events[::-1] if "Item.active" in d[1]["type"])

    def deliver(_: int) -> None:
        receive(svix_id=name, payload=payload)

    in_parallel(100, deliver)
    assert CreditGrant.objects.count() == 1
    assert UsageHistory.objects.count() == 1
    assert WebhookDelivery.objects.get().attempts == 1


@pytest.mark.django_db(transaction=True)
def test_a_life_delivered_all_at_once_ends_the_same(plans: None) -> None:
    other = full_history(NOW, "user_2")
    receive_all(other.events)
    expected = final_state("user_2")
    deliveries = [*HISTORY.events, *HISTORY.events]
    random.Random(1).shuffle(deliveries)
    in_parallel(len(deliveries), lambda number: receive_all([deliveries[number]]))
    names = {"user_2": "user_1", **dict(zip(other.items, HISTORY.items, strict=True))}
    assert final_state() == renamed(expected, names)


def test_an_ending_does_not_hang_on_how_items_are_called(
    plans: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Compared as text, item 100 came before item 99: two lives that end the same looked different.
    monkeypatch.setattr(clerk_events, "_numbers", count(98))
    straddling = full_history(NOW, "user_2")
    receive_all([*HISTORY.events, *straddling.events])
    names = {"user_2": "user_1", **dict(zip(straddling.items, HISTORY.items, strict=True))}
    assert renamed(final_state("user_2"), names) == final_state()
