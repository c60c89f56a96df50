"""GET /api/credits/me."""

from datetime import timedelta

from credits.api.docs import openapi
from credits.ledger import release_charge
from credits.models import CreditGrant, User
from tests.api import Api, assert_problem
from tests.clock import Clock
from tests.factories import make_charge, make_grant

ME = "/api/credits/me"


def test_it_is_the_balance_of_the_database(alice: User) -> None:
    make_charge(alice, 3)
    make_charge(alice, 2, hold=True)
    assert Api(alice).get(ME).json() == {
        "creditsRemaining": 95,
        "held": 2,
        "granted": 100,
        "expiresAt": None,
        "expiring": None,
        "paidAhead": "0.000000000000",
    }


def test_somebody_who_never_had_credits_has_none(carol: User) -> None:
    assert Api(carol).get(ME).json()["creditsRemaining"] == 0


def test_it_says_what_leaves_next(alice: User, clock: Clock) -> None:
    until = clock.now() + timedelta(days=3)
    make_grant(alice, 7, source=CreditGrant.Source.PLAN, expires_at=until)
    body = Api(alice).get(ME).json()
    assert (body["creditsRemaining"], body["expiring"]) == (107, 7)
    assert body["expiresAt"].startswith(until.strftime("%Y-%m-%dT%H:%M:%S"))
    assert body["expiresAt"].endswith("Z")


def test_expired_credits_have_left_before_it_answers(alice: User, clock: Clock) -> None:
    until = clock.now() + timedelta(days=3)
    make_grant(alice, 7, source=CreditGrant.Source.PLAN, expires_at=until)
    clock.move(days=4)
    assert Api(alice).get(ME).json()["creditsRemaining"] == 100


def test_an_unchanged_balance_is_304_without_a_body(alice: User) -> None:
    api = Api(alice)
    first = api.get(ME)
    again = api.get(ME, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again["ETag"] == first["ETag"]
    assert "no-cache" in again["Cache-Control"]


def test_a_condition_that_does_not_hold_is_412_and_described(alice: User) -> None:
    response = Api(alice).get(ME, headers={"If-Match": '"another"'})
    assert_problem(response, 412, "precondition_failed")
    for path in (ME, "/api/credits/settings", "/api/ai/models", "/api/ai/images/{image_id}/file"):
        assert "412" in openapi()["paths"][path]["get"]["responses"]


def test_each_movement_gives_another_etag(alice: User) -> None:
    api = Api(alice)
    tags = [api.get(ME)["ETag"]]
    charge = make_charge(alice, hold=True)
    tags.append(api.get(ME)["ETag"])
    release_charge(charge_id=charge.id, reason="test")
    tags.append(api.get(ME)["ETag"])
    assert tags[0] != tags[1]
    assert api.get(ME, headers={"If-None-Match": tags[1]}).status_code == 200


def test_another_users_etag_is_not_mine(alice: User, bob: User) -> None:
    tag = Api(bob).get(ME)["ETag"]
    assert Api(alice).get(ME, headers={"If-None-Match": tag}).status_code == 200


def test_caches_keep_users_apart(alice: User) -> None:
    response = Api(alice).get(ME)
    assert "private" in response["Cache-Control"]
    assert "Cookie" in response["Vary"]


def test_an_inactive_account_is_nobody(alice: User) -> None:
    api = Api(alice)
    alice.is_active = False
    alice.save()
    assert api.get(ME).status_code == 401
