"""Welcome credits of people who sign in with Clerk: for an address that it has verified, once."""

from typing import Any

import pytest

from credits.ledger import get_balance
from credits.models import CreditGrant, User
from credits.users.services import sign_up
from tests.credits.clerk.billing.items import NOW
from tests.credits.clerk.conftest import Send
from tests.factories import PASSWORD, make_plan
from tests.fakes.clerk import Json, user_json
from tests.fakes.clerk_events import item_json

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def welcome(settings: Any) -> None:
    settings.SIGNUP_CREDITS = 50


def person(
    number: int, email: str = "a@example.com", *, at: int = NOW, verified: bool = True
) -> Json:
    user = user_json(f"user_{number}", email=email, at=at)
    if not verified:
        user["email_addresses"][0]["verification"] = {"status": "unverified"}
    return user


def balance(number: int) -> int:
    return get_balance(user_id=User.objects.get(clerk_id=f"user_{number}").pk).remaining


def test_a_verified_address_brings_them(send: Send) -> None:
    send("user.created", person(1))
    assert balance(1) == 50


def test_an_account_made_anew_gets_nothing_more(send: Send) -> None:
    send("user.created", person(1))
    send("user.deleted", {"id": "user_1", "deleted": True})
    send("user.created", person(2))
    send("user.created", person(3, "A+x@Example.com"))
    assert [balance(number) for number in (1, 2, 3)] == [50, 0, 0]


def test_an_address_that_is_not_verified_brings_none_until_it_is(send: Send) -> None:
    send("user.created", person(1, verified=False))
    assert balance(1) == 0
    send("user.updated", person(1, at=NOW + 1))
    assert balance(1) == 50


def test_another_address_brings_none(send: Send) -> None:
    send("user.created", person(1))
    send("user.updated", person(1, "b@example.com", at=NOW + 1))
    assert balance(1) == 50
    assert CreditGrant.objects.count() == 1


def test_a_subscription_that_comes_before_its_user_brings_none_by_itself(send: Send) -> None:
    make_plan("cplan_pro", credits=100)
    send("subscriptionItem.active", item_json("user_1", period_start=NOW - 1000))
    assert balance(1) == 100
    send("user.created", person(1))
    assert balance(1) == 150


def test_a_local_account_and_one_of_clerk_s_with_one_address_get_them_once(send: Send) -> None:
    sign_up(email="a@example.com", password=PASSWORD)
    send("user.created", person(1))
    assert balance(1) == 0
