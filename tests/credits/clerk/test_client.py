"""The Backend API client against the fake."""

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from credits.clerk.client import (
    LONGEST_PAUSE,
    TRIES,
    ClerkClient,
    ClerkError,
    ClerkUnavailable,
    NotAtClerk,
)
from credits.clerk.parsing import as_id
from tests.fakes.clerk import FakeClerk, user_json
from tests.fakes.clerk_events import as_api, item_json


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def client(fake: FakeClerk, pauses: list[float]) -> Iterator[ClerkClient]:
    with ClerkClient(sleep=pauses.append) as client:
        yield client


def test_users_come_in_pages_oldest_first(client: ClerkClient, fake: FakeClerk) -> None:
    fake.users = [user_json(f"user_{n}", at=n) for n in range(1, 8)]
    pages = [[user["id"] for user in page] for page in client.user_pages(size=3)]
    assert pages == [
        ["user_1", "user_2", "user_3"],
        ["user_4", "user_5", "user_6"],
        ["user_7"],
    ]
    assert next(client.user_pages(after="user_6", size=3))[0]["id"] == "user_7"
    assert client.count_users() == 7


def test_items_come_with_their_total(client: ClerkClient, fake: FakeClerk) -> None:
    fake.items = [as_api(item_json(f"user_{n}", period_start=n)) for n in range(1, 6)]
    pages = list(client.item_pages("active", free=False, size=2))
    assert [len(page) for _, page in pages] == [2, 2, 1]
    assert {total for total, _ in pages} == {5}


def test_what_is_nobody_ends_no_walk_and_starts_none_anew(
    client: ClerkClient, fake: FakeClerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [user_json(f"user_{n}", at=n) for n in range(1, 8)]
    rows = [people[0], None, "?", *people[1:3], {"id": 3}, *people[3:]]
    monkeypatch.setattr(fake, "users", people)

    def page(query: dict[str, list[str]]) -> list[Any]:
        after = query.get("starting_after", [""])[0]
        start = rows.index(people[int(after.removeprefix("user_")) - 1]) + 1 if after else 0
        return rows[start : start + 3]

    monkeypatch.setattr(fake, "_page_of_users", page)
    met = [as_id(user.get("id")) for page in client.user_pages(size=3) for user in page]
    assert sorted(filter(None, met)) == [f"user_{n}" for n in range(1, 8)]
    rows[:3] = [None] * 3
    with pytest.raises(ClerkError, match="without ids"):
        list(client.user_pages(size=3))


def test_items_that_are_none_end_no_walk(
    client: ClerkClient, fake: FakeClerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [as_api(item_json(f"user_{n}", period_start=n)) for n in range(1, 4)]
    monkeypatch.setattr(fake, "_matching_items", lambda _: [items[0], None, items[1], items[2]])
    pages = list(client.item_pages("active", free=False, size=2))
    assert pages == [(4, [items[0], {}]), (4, [items[1], items[2]])]


def test_people_without_a_version_end_no_walk(
    client: ClerkClient, fake: FakeClerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"id": "user_0"}, *(user_json(f"user_{n}", at=100 - n) for n in range(1, 6))]
    monkeypatch.setattr(
        fake, "_page_of_users", lambda query: rows[(at := int(query["offset"][0])) : at + 2]
    )
    pages = [[user["id"] for user in page] for page in client.changed_users(97_000, size=2)]
    assert pages == [["user_0", "user_1"], ["user_2", "user_3"]]


def test_what_the_database_cannot_keep_is_replaced(client: ClerkClient, fake: FakeClerk) -> None:
    fake.users = [user_json("user_1", first_name="Jo\0hn", last_name="\ud800")]
    assert client.user("user_1")["first_name"] == "Jo\ufffdhn"
    assert client.user("user_1")["last_name"].encode()


def test_retry_after_is_obeyed_up_to_a_bound(
    client: ClerkClient, fake: FakeClerk, pauses: list[float]
) -> None:
    fake.failures.extend([(429, {"Retry-After": "7"}), (429, {"Retry-After": "99999"})])
    assert client.count_users() == 0
    assert pauses == [7, LONGEST_PAUSE]


def test_pauses_grow_while_clerk_is_down_and_end(
    client: ClerkClient, fake: FakeClerk, pauses: list[float]
) -> None:
    fake.failures.extend([(503, {})] * TRIES)
    with pytest.raises(ClerkUnavailable, match="503"):
        client.count_users()
    assert len(pauses) == TRIES - 1
    assert pauses == sorted(pauses)


def test_no_server_is_unavailable(client: ClerkClient, settings: Settings, fake: FakeClerk) -> None:
    settings.CLERK_API_URL = "http://127.0.0.1:9"
    with ClerkClient(sleep=lambda _: None) as lost, pytest.raises(ClerkUnavailable):
        lost.plans()


def test_what_is_not_there_is_not_asked_for_again(
    client: ClerkClient, fake: FakeClerk, pauses: list[float]
) -> None:
    with pytest.raises(NotAtClerk):
        client.user("user_nobody")
    assert client.subscription_items("user_nobody") == []
    assert pauses == []


def test_a_wrong_key_is_an_error_at_once_and_names_nobody(
    client: ClerkClient, settings: Settings, fake: FakeClerk, pauses: list[float]
) -> None:
    settings.CLERK_SECRET_KEY = "sk_test_wrong"
    with ClerkClient() as wrong, pytest.raises(ClerkError) as error:
        wrong.user("user_secret")
    assert "user_secret" not in str(error.value)
    assert "401" in str(error.value)


def test_plans_are_read_leniently(client: ClerkClient, fake: FakeClerk) -> None:
    fake.plans = [
        {"id": "cplan_a", "name": "A", "fee": {"amount": 500}, "brand_new": {"x": 1}},
        {"id": "cplan_b", "name": None, "fee": None, "is_default": True},
        {"name": "no id"},
    ]
    plans = client.plans()
    assert [(p.clerk_id, p.name, p.amount, p.is_default) for p in plans] == [
        ("cplan_a", "A", 500, False),
        ("cplan_b", "", None, True),
    ]
