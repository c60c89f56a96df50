"""/api/admin/users, /credits and /usage."""

from typing import Any

import pytest

from credits.ledger import get_balance
from credits.models import UsageHistory, User
from tests.api import Api, assert_problem
from tests.factories import make_charge

USERS = "/api/admin/users"


def put(user: User, body: Any, path: str, key: str = "") -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return Api(user).send("put", path, body, headers=headers)


@pytest.fixture(params=["/api/admin/users/{}/credits", "/api/admin/credits/{}"])
def path(request: pytest.FixtureRequest, alice: User) -> str:
    """Both addresses of Alice's balance."""
    return str(request.param).format(alice.pk)


def test_a_balance_is_set(path: str, admin: User, alice: User) -> None:
    body = put(admin, {"credits": 40, "reason": "correction"}, path).json()
    row = UsageHistory.objects.latest("pk")
    assert body == {"creditsRemaining": 40, "change": -60, "usageId": row.pk}
    assert (row.operation_type, row.credits_used, row.balance_after) == ("ADJUSTMENT", 60, 40)
    assert row.details == {"reason": "correction", "actor": "admin@example.com"}


def test_a_balance_is_adjusted_up_and_down(path: str, admin: User, alice: User) -> None:
    assert put(admin, {"adjustment": 25, "reason": "gift"}, path).json()["creditsRemaining"] == 125
    assert put(admin, {"adjustment": -5, "reason": "oops"}, path).json()["creditsRemaining"] == 120
    assert get_balance(user_id=alice.pk).remaining == 120


def test_no_more_is_taken_than_there_is(path: str, admin: User, alice: User) -> None:
    response = put(admin, {"adjustment": -101, "reason": "too much"}, path)
    problem = assert_problem(response, 402, "insufficient_credits")
    assert (problem["required"], problem["available"]) == (101, 100)
    assert get_balance(user_id=alice.pk).remaining == 100


def test_the_same_key_adjusts_once(path: str, admin: User, alice: User) -> None:
    body = {"adjustment": 5, "reason": "gift"}
    first, second = put(admin, body, path, "k"), put(admin, body, path, "k")
    assert first.json() == second.json()
    assert get_balance(user_id=alice.pk).remaining == 105
    other = put(admin, {"adjustment": 6, "reason": "gift"}, path, "k")
    assert_problem(other, 422, "idempotency_conflict")


@pytest.mark.parametrize("amount", [5, 10**6])
def test_the_same_key_with_another_reason_is_422(
    amount: int, path: str, admin: User, alice: User
) -> None:
    """Done at once, or asked of a second admin."""
    body = {"adjustment": amount, "reason": "gift"}
    assert put(admin, body, path, "k").status_code in {200, 202}
    other = put(admin, {**body, "reason": "correction"}, path, "k")
    assert_problem(other, 422, "idempotency_conflict")
    assert put(admin, {**body, "reason": " gift "}, path, "k").status_code in {200, 202}
    assert get_balance(user_id=alice.pk).remaining in {100, 105}


def test_an_admins_key_is_not_the_users_key(path: str, admin: User, alice: User) -> None:
    make_charge(alice, idempotency_key="k")
    assert put(admin, {"adjustment": 5, "reason": "gift"}, path, "k").status_code == 200


@pytest.mark.parametrize("key", ["a b", "é", "x" * 256, "\x7f"])
def test_a_key_that_is_no_key_is_400(key: str, path: str, admin: User) -> None:
    response = put(admin, {"adjustment": 5, "reason": "gift"}, path, key)
    problem = assert_problem(response, 400, "invalid")
    assert problem["issues"][0]["path"] == ["Idempotency-Key"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"credits": 5}, "reason"),
        ({"credits": 5, "reason": "  "}, "reason"),
        ({"credits": 5, "reason": "x" * 501}, "reason"),
        ({"credits": 5, "reason": "a\x00"}, "reason"),
        ({"credits": -1, "reason": "x"}, "credits"),
        ({"credits": 1.5, "reason": "x"}, "credits"),
        ({"credits": "5", "reason": "x"}, "credits"),
        ({"credits": True, "reason": "x"}, "credits"),
        ({"credits": 10**20, "reason": "x"}, "credits"),
        ({"adjustment": None, "reason": "x"}, "adjustment"),
        ({"adjustment": -(10**20), "reason": "x"}, "adjustment"),
        ({"credits": 5, "amount": 1, "reason": "x"}, "amount"),
    ],
)
def test_a_wrong_field_is_400_naming_it(body: Any, field: str, path: str, admin: User) -> None:
    problem = assert_problem(put(admin, body, path), 400, "invalid")
    assert [issue["path"] for issue in problem["issues"]] == [[field]]
    assert UsageHistory.objects.count() == 1


@pytest.mark.parametrize("body", [{"reason": "x"}, {"credits": 1, "adjustment": 1, "reason": "x"}])
def test_either_way_of_saying_it_is_needed_and_only_one(body: Any, path: str, admin: User) -> None:
    assert_problem(put(admin, body, path), 400, "invalid")


def test_somebody_of_clerks_goes_by_clerks_id_too(admin: User, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(clerk_id="user_2abc")
    body = {"adjustment": 5, "reason": "gift"}
    for path in (f"{USERS}/user_2abc/credits", "/api/admin/credits/user_2abc"):
        assert put(admin, body, path).status_code == 200
    assert get_balance(user_id=alice.pk).remaining == 110


@pytest.mark.parametrize(
    "who", ["999999999", "0", "9" * 19, "9" * 30, "٣", "user_", "user_2abc", "user_%00", "x"]
)
def test_somebody_unknown_is_404(who: str, admin: User) -> None:
    body = {"adjustment": 5, "reason": "gift"}
    assert_problem(put(admin, body, f"{USERS}/{who}/credits"), 404, "not_found")


def test_people_are_found(admin: User, alice: User, bob: User, carol: User) -> None:
    def found(search: str) -> list[str]:
        items = Api(admin).get(USERS, query_params={"search": search}).json()["items"]
        return [item["email"] for item in items]

    assert found("ALICE") == ["alice@example.com"]
    assert found("Bob") == ["bob@example.com"]
    assert found(str(carol.pk))[-1:] == ["carol@example.com"]
    assert found("%") == []
    assert found("9" * 60) == []
    assert len(found("example.com")) == 4


@pytest.mark.parametrize("path", [USERS, "/api/admin/credits"])
def test_lists_are_filtered(path: str, admin: User, alice: User, bob: User, carol: User) -> None:
    User.objects.filter(pk=carol.pk).update(is_active=False)

    def found(**query: object) -> set[str]:
        items = Api(admin).get(path, query_params=query).json()["items"]
        return {item["email"].partition("@")[0] for item in items}

    assert found(minBalance=10) == {"alice", "bob"}
    assert found(minBalance=10, maxBalance=99) == {"bob"}
    assert found(maxBalance=0) == {"admin", "carol"}
    assert found(state="inactive") == {"carol"}
    assert found(signedInDays=1) == {"admin"}
    assert found(plan="none", search="ali") == {"alice"}
    assert found(plan="cplan_pro") == set()


@pytest.mark.parametrize(
    ("name", "value"),
    [("minBalance", "-1"), ("maxBalance", "x"), ("state", "happy"), ("signedInDays", "0"),
     ("plan", "x" * 65), ("plan", "a\0"), ("search", "a\0"), ("sort", "most")],
)  # fmt: skip
def test_a_filter_that_cannot_be_is_400_naming_it(name: str, value: str, admin: User) -> None:
    problem = assert_problem(Api(admin).get(USERS, query_params={name: value}), 400, "invalid")
    assert problem["issues"][0]["path"] == [name]


def test_a_person_is_told_with_the_balance(admin: User, alice: User) -> None:
    [person] = Api(admin).get(f"{USERS}?search=alice").json()["items"]
    del person["createdAt"]
    assert person == {
        "id": alice.pk,
        "email": "alice@example.com",
        "name": "Alice",
        "clerkId": None,
        "isAdmin": False,
        "isActive": True,
        "creditsRemaining": 100,
    }


def test_balances_come_in_pages(admin: User, alice: User, bob: User, carol: User) -> None:
    path = "/api/admin/credits?limit=3"
    seen: list[tuple[int, int]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = Api(admin).get(path + (f"&cursor={cursor}" if cursor else "")).json()
        seen += [(row["userId"], row["creditsRemaining"]) for row in page["items"]]
        cursor = page["nextCursor"]
    assert seen == sorted(
        [(admin.pk, 0), (alice.pk, 100), (bob.pk, 10), (carol.pk, 0)], reverse=True
    )


def test_everybodys_usage_is_filtered_by_person(admin: User, alice: User, bob: User) -> None:
    charge = make_charge(bob)
    path = f"/api/admin/usage?user={bob.pk}&kind=charge"
    [row] = Api(admin).get(path).json()["items"]
    assert (row["id"], row["userId"], row["creditsUsed"]) == (charge.id, bob.pk, 1)
    assert len(Api(admin).get("/api/admin/usage").json()["items"]) == 3
