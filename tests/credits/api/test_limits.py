"""Limits in JSON: /api/account/limits, and what other calls say of them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from credits.models import ApiKey, Limit, User
from tests.api import Api, assert_problem
from tests.clock import Clock
from tests.factories import make_charge, make_limit

pytestmark = pytest.mark.django_db
URL = "/api/account/limits"


@pytest.fixture
def hers(alice: User) -> Api:
    return Api(alice)


def test_adding_one(hers: Api, alice: User, clock: Clock) -> None:
    clock.freeze(datetime(2030, 6, 12, 9, tzinfo=UTC))
    make_charge(alice, 3)
    answer = hers.send("post", URL, {"period": "month", "credits": 50})
    assert answer.status_code == 201
    limit = answer.json()
    assert limit == {
        "id": Limit.objects.get().pk,
        "period": "month",
        "credits": 50,
        "hard": True,
        "alertAt": [80, 100],
        "byAdmin": False,
        "keyId": None,
        "memberId": None,
        "since": "2030-06-01",
        "spent": "3.000000000000",
        "held": "0.000000000000",
        "remaining": 47,
        "resetsAt": "2030-07-01T00:00:00Z",
        "version": limit["version"],
    }
    assert hers.get(URL).json() == {"limits": [limit]}
    again = hers.send("post", URL, {"period": "month", "credits": 5})
    assert assert_problem(again, 409, "duplicate")["limit"] == limit["id"]


def test_putting_one_sets_it_or_changes_it(hers: Api) -> None:
    made = hers.send("put", URL, {"period": "day", "credits": 5, "alertAt": [100, 10]}).json()
    assert (made["credits"], made["alertAt"]) == (5, [10, 100])
    body = {"period": "day", "credits": 0, "hard": False, "version": made["version"]}
    changed = hers.send("put", URL, body)
    assert changed.status_code == 200
    assert changed.json()["id"] == made["id"]
    assert (changed.json()["credits"], changed.json()["alertAt"]) == (0, [10, 100])
    assert_problem(hers.send("put", URL, body), 409, "changed_meanwhile")


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"credits": 5}, ["period"]),
        ({"period": "day"}, ["credits"]),
        ({"period": "year", "credits": 5}, ["period"]),
        ({"period": "day", "credits": "5"}, ["credits"]),
        ({"period": "day", "credits": 5.5}, ["credits"]),
        ({"period": "day", "credits": None}, ["credits"]),
        ({"period": "day", "credits": 5, "hard": "yes"}, ["hard"]),
        ({"period": "day", "credits": 5, "alertAt": [0]}, ["alertAt"]),
        ({"period": "day", "credits": 5, "alertAt": [[1]]}, ["alertAt"]),
        ({"period": "day", "credits": 5, "byAdmin": True}, ["byAdmin"]),
        ({"period": "day", "credits": 5, "keyId": 0}, ["keyId"]),
    ],
)
def test_what_is_wrong_is_named(hers: Api, body: Any, path: list[str]) -> None:
    for method in ("post", "put"):
        problem = assert_problem(hers.send(method, URL, body), 400, "invalid")
        assert problem["issues"][0]["path"] == path
    assert not Limit.objects.exists()


def test_removing_one(hers: Api, alice: User) -> None:
    limit = make_limit(alice, 5)
    assert_problem(hers.delete(f"{URL}/{limit.pk}?version=x"), 409, "changed_meanwhile")
    assert hers.delete(f"{URL}/{limit.pk}").status_code == 204
    assert_problem(hers.delete(f"{URL}/{limit.pk}"), 404, "not_found")


def test_what_is_not_yours_is_not_there(hers: Api, alice: User, bob: User) -> None:
    his = make_limit(bob, 5)
    admins = make_limit(alice, 5, by_admin=True)
    key = ApiKey.objects.create(account_id=bob.pk, member=bob, name="his")
    for limit in (his, admins):
        assert_problem(hers.delete(f"{URL}/{limit.pk}"), 404, "not_found")
    for scope in ({"keyId": key.public_id}, {"memberId": bob.pk}):
        answer = hers.send("post", URL, {"period": "day", "credits": 5, **scope})
        assert_problem(answer, 404, "not_found")
    assert [each["id"] for each in hers.get(URL).json()["limits"]] == [admins.pk]


def test_a_limit_of_a_key(hers: Api, alice: User) -> None:
    key = ApiKey.objects.create(account_id=alice.pk, member=alice, name="mine")
    body = {"period": "day", "credits": 5, "keyId": key.public_id}
    assert hers.send("post", URL, body).json()["keyId"] == key.public_id


def test_the_balance_has_them_and_another_etag_when_one_changes(
    hers: Api, alice: User, django_assert_max_num_queries: Any
) -> None:
    plain = hers.get("/api/credits/me")
    assert "limits" not in plain.json()
    make_limit(alice, 5, hard=False)
    with_limits = hers.get("/api/credits/me")
    [limit] = with_limits.json()["limits"]
    assert (limit["credits"], limit["remaining"]) == (5, 5)
    assert limit == hers.get(URL).json()["limits"][0]
    tag = with_limits["ETag"]
    assert tag != plain["ETag"]
    assert hers.get("/api/credits/me", headers={"If-None-Match": tag}).status_code == 304
    Limit.objects.update(credits=6)
    assert hers.get("/api/credits/me", headers={"If-None-Match": tag}).status_code == 200


def test_without_limits_the_balance_asks_nothing_more(
    hers: Api, alice: User, bob: User, django_assert_num_queries: Any
) -> None:
    """The session, the balance."""
    hers.get("/api/credits/me")
    with django_assert_num_queries(2):
        hers.get("/api/credits/me")
