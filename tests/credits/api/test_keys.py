"""Keys in JSON: /api/keys. What a key opens itself is tested in test_key_opens_v1_alone.py."""

import logging
from typing import Any

import pytest

from credits.keys.lookup import InvalidApiKey, find_caller
from credits.models import ApiKey, Limit, User
from tests.api import Api, assert_problem
from tests.factories import make_charge, make_key, make_model, make_secret, sql_now

pytestmark = pytest.mark.django_db
URL = "/api/keys"


@pytest.fixture
def hers(alice: User) -> Api:
    return Api(alice)


def test_making_one(hers: Api, alice: User) -> None:
    make_model("small")
    body = {
        "name": "CI",
        "limits": [{"period": "day", "credits": 100}],
        "models": ["small"],
        "expiresAt": "2099-01-01T00:00:00Z",
        "callsPerMinute": 30,
    }
    answer = hers.send("post", URL, body)
    assert answer.status_code == 201
    assert answer["Cache-Control"] == "no-store"
    made, key = answer.json(), ApiKey.objects.get()
    secret = made.pop("key")
    assert find_caller(secret).key_id == key.pk
    [limit] = made.pop("limits")
    assert (limit["period"], limit["credits"], limit["keyId"]) == ("day", 100, key.public_id)
    assert made == {
        "id": key.public_id,
        "name": "CI",
        "hint": secret[-4:],
        "state": "active",
        "scopes": ["inference"],
        "models": ["small"],
        "callsPerMinute": 30,
        "createdAt": made["createdAt"],
        "expiresAt": "2099-01-01T00:00:00Z",
        "revokedAt": None,
        "lastUsedAt": None,
        "formerSecretUntil": None,
        "spentThisMonth": "0.000000000000",
    }


def test_the_secret_is_in_no_other_answer_and_in_no_log(
    hers: Api, alice: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    made = hers.send("post", URL, {"name": "CI"}).json()
    secret, address = made["key"], f"{URL}/{made['id']}"
    for answer in (
        hers.get(URL),
        hers.get(address),
        hers.send("patch", address, {"name": "New"}),
        hers.send("patch", address, {"name": 5}),
        hers.delete(address),
        hers.get(address),
    ):
        assert secret not in answer.text
        assert secret[9:39] not in answer.text
    assert secret[9:39] not in caplog.text


def test_the_list_says_what_each_has_spent(hers: Api, alice: User, bob: User) -> None:
    used, other = make_key(alice, name="used"), make_key(alice, name="other")
    make_key(bob, name="his")
    find_caller(make_secret(used))
    make_charge(alice, 3, key_id=used.pk)
    make_charge(alice, 2)
    page = hers.get(URL).json()
    assert page["nextCursor"] is None
    first, second = page["items"]
    assert (first["id"], first["spentThisMonth"]) == (other.public_id, "0.000000000000")
    assert (second["id"], second["spentThisMonth"]) == (used.public_id, "3.000000000000")
    assert first["lastUsedAt"] is None
    assert second["lastUsedAt"]
    following = hers.get(f"{URL}?limit=1").json()["nextCursor"]
    page = hers.get(f"{URL}?limit=1&cursor={following}").json()
    assert [each["name"] for each in page["items"]] == ["used"]


def test_a_list_takes_as_many_statements_for_many_keys(
    hers: Api, alice: User, django_assert_max_num_queries: Any
) -> None:
    for _ in range(5):
        hers.send("post", URL, {"name": "CI", "limits": [{"period": "day", "credits": 1}]})
    with django_assert_max_num_queries(10):
        assert len(hers.get(URL).json()["items"]) == 5


def test_changing_one(hers: Api, alice: User) -> None:
    make_model("small")
    body = {"name": "CI", "models": ["small"], "limits": [{"period": "day", "credits": 1}]}
    address = f"{URL}/{hers.send('post', URL, body).json()['id']}"
    assert hers.send("patch", address, {"name": "New"}).json()["models"] == ["small"]
    everything = {
        "models": None, "expiresAt": None, "limits": [], "scopes": ["usage:read"],
        "callsPerMinute": 7,
    }  # fmt: skip
    changed = hers.send("patch", address, everything).json()
    assert changed["name"] == "New"
    assert {name: changed[name] for name in everything} == everything
    assert hers.send("patch", address, {}).json()["callsPerMinute"] == 7
    changed = hers.send("patch", address, {"callsPerMinute": None}).json()
    assert changed["callsPerMinute"] is None
    assert not Limit.objects.exists()


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, ["name"]),
        ({"name": " "}, ["name"]),
        ({"name": None}, ["name"]),
        ({"name": "x", "models": []}, ["models"]),
        ({"name": "x", "models": ["unknown"]}, ["models", 0]),
        ({"name": "x", "expiresAt": "2020-01-01T00:00:00Z"}, ["expiresAt"]),
        ({"name": "x", "expiresAt": "2099-01-01"}, ["expiresAt"]),
        ({"name": "x", "expiresAt": 4070908800}, ["expiresAt"]),
        ({"name": "x", "scopes": ["admin"]}, ["scopes"]),
        ({"name": "x", "callsPerMinute": 0}, ["callsPerMinute"]),
        ({"name": "x", "callsPerMinute": "5"}, ["callsPerMinute"]),
        ({"name": "x", "limits": [{"period": "day"}]}, ["limits", 0, "credits"]),
        ({"name": "x", "limits": [{"period": "day", "credits": 1.5}]}, ["limits", 0, "credits"]),
        ({"name": "x", "limits": [{"period": "day", "credits": 1}] * 2}, ["limits", 1, "period"]),
        ({"name": "x", "limits": [{"period": "day", "credits": 1}] * 5}, ["limits"]),
        ({"name": "x", "userId": 1}, ["userId"]),
    ],
)
def test_what_no_key_can_be_is_named(hers: Api, body: Any, path: list[Any]) -> None:
    problem = assert_problem(hers.send("post", URL, body), 400, "invalid")
    assert problem["issues"][0]["path"] == path
    assert not ApiKey.objects.exists()


def test_rolling_one(hers: Api, alice: User) -> None:
    made = hers.send("post", URL, {"name": "CI"}).json()
    answer = hers.send("post", f"{URL}/{made['id']}/roll", {"overlapDays": 7})
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    rolled = answer.json()
    assert rolled["id"] == made["id"]
    assert rolled["key"] != made["key"]
    assert rolled["formerSecretUntil"]
    assert find_caller(made["key"]) == find_caller(rolled["key"])
    again = hers.send("post", f"{URL}/{made['id']}/roll", {})
    assert_problem(again, 409, "rolled_lately")
    last = hers.send("post", f"{URL}/{made['id']}/roll", {"overlapDays": 0}).json()
    assert last["formerSecretUntil"] is None
    for former in (made["key"], rolled["key"]):
        with pytest.raises(InvalidApiKey):
            find_caller(former)


@pytest.mark.parametrize("days", [-1, 8, 1.5, "1", None, True])
def test_an_overlap_has_its_bounds(hers: Api, alice: User, days: Any) -> None:
    address = f"{URL}/{make_key(alice).public_id}/roll"
    assert_problem(hers.send("post", address, {"overlapDays": days}), 400, "invalid")


def test_revoking_one(hers: Api, alice: User) -> None:
    made = hers.send("post", URL, {"name": "CI"}).json()
    address = f"{URL}/{made['id']}"
    assert_problem(hers.delete(f"{address}?stop=yes"), 400, "invalid")
    assert hers.delete(f"{address}?stop=1").status_code == 204
    with pytest.raises(InvalidApiKey):
        find_caller(made["key"])
    revoked = hers.get(address).json()
    assert revoked["state"] == "revoked"
    assert revoked["revokedAt"]
    assert hers.delete(address).status_code == 204
    assert_problem(hers.send("patch", address, {"name": "New"}), 409, "key_revoked")
    assert_problem(hers.send("post", f"{address}/roll", {}), 409, "key_revoked")


def test_an_expired_key_says_so(hers: Api, alice: User) -> None:
    make_key(alice, expires_at=sql_now())
    assert hers.get(URL).json()["items"][0]["state"] == "expired"


@pytest.mark.parametrize("name", ["key_0000000000000000", "1", "%00", "key_%F0%9F%94%91"])
def test_what_is_not_yours_is_not_there(hers: Api, bob: User, name: str) -> None:
    his = make_key(bob).public_id
    for key in (his, name):
        for answer in (
            hers.get(f"{URL}/{key}"),
            hers.send("patch", f"{URL}/{key}", {"name": "mine"}),
            hers.delete(f"{URL}/{key}"),
            hers.send("post", f"{URL}/{key}/roll", {}),
        ):
            assert_problem(answer, 404, "not_found")
    assert ApiKey.objects.get().revoked_at is None


def test_sent_twice_it_makes_two(hers: Api, alice: User) -> None:
    made = [hers.send("post", URL, {"name": "CI"}).json()["key"] for _ in range(2)]
    assert len(set(made)) == ApiKey.objects.count() == 2
