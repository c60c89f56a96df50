"""Users at Clerk and their accounts here: made, brought up to date, closed."""

import time
from itertools import permutations

import pytest

from credits.models import CreditGrant, Plan, User
from tests.credits.clerk.conftest import Send
from tests.fakes.clerk import user_json
from tests.fakes.clerk_events import item_json

pytestmark = pytest.mark.django_db
NOW = int(time.time() * 1000)
START = NOW - 86_400_000


def test_a_subscription_may_come_before_its_user(send: Send, pro: Plan) -> None:
    send("subscriptionItem.active", item_json("user_1", period_start=START))
    assert User.objects.get().name == "Test User"
    send("user.created", user_json("user_1", email="real@example.com", at=START))
    user = User.objects.get()
    assert (user.email, user.name) == ("real@example.com", "John Doe")


def test_a_deleted_user_is_not_brought_back(send: Send, pro: Plan) -> None:
    send("user.created", user_json("user_1", email="a@example.com", at=START))
    send("user.deleted", {"object": "user", "id": "user_1", "deleted": True})
    send("user.updated", user_json("user_1", email="a@example.com", at=NOW))
    item = item_json("user_1", period_start=START)
    assert send("subscriptionItem.active", item) == "deleted_user"
    user = User.objects.get()
    assert (user.is_active, user.email, user.name) == (False, None, "")
    assert not CreditGrant.objects.exists()


def test_a_user_deleted_before_we_knew_them_never_comes(send: Send, pro: Plan) -> None:
    send("user.deleted", {"object": "user", "id": "user_1", "deleted": True})
    send("user.created", user_json("user_1", email="a@example.com", at=START))
    assert send("subscriptionItem.active", item_json("user_1", period_start=START))
    assert not User.objects.exists()


def test_deleting_twice_is_deleting_once(send: Send) -> None:
    for _ in range(2):
        send("user.deleted", {"object": "user", "id": "user_1", "deleted": True})


def test_an_older_version_of_a_user_changes_nothing(
    send: Send,
) -> None:
    send("user.updated", user_json("user_1", email="new@example.com", at=NOW))
    send("user.created", user_json("user_1", email="old@example.com", at=START))
    assert User.objects.get().email == "new@example.com"


def test_an_address_of_a_local_account_does_not_open_it(send: Send, alice: User) -> None:
    send("user.created", user_json("user_1", email="alice@example.com", at=START))
    newcomer = User.objects.get(clerk_id="user_1")
    assert (newcomer.pk == alice.pk, newcomer.email) == (False, None)
    assert newcomer.clerk_identity.email == alice.email


def addresses() -> dict[str | None, str | None]:
    return dict(User.objects.values_list("clerk_id", "email"))


@pytest.mark.parametrize("order", [*permutations(range(3))])
def test_an_address_goes_to_whoever_has_it_in_whatever_order(
    send: Send, order: tuple[int, ...]
) -> None:
    events = [
        ("user.created", user_json("user_old", email="a@example.com", at=START)),
        ("user.deleted", {"object": "user", "id": "user_old", "deleted": True}),
        ("user.created", user_json("user_new", email="a@example.com", at=NOW)),
    ]
    for number in order:
        send(*events[number])
    assert addresses()["user_new"] == "a@example.com"


@pytest.mark.parametrize("order", [*permutations(range(2))])
def test_an_address_that_changes_hands_is_handed_on_in_either_order(
    send: Send, order: tuple[int, int]
) -> None:
    for name in "ab":
        send("user.created", user_json(f"user_{name}", email=f"{name}@example.com", at=START))
    events = [
        ("user.updated", user_json("user_a", email="new@example.com", at=START + 1)),
        ("user.updated", user_json("user_b", email="a@example.com", at=START + 2)),
    ]
    for number in order:
        send(*events[number])
    assert addresses() == {"user_a": "new@example.com", "user_b": "a@example.com"}


def test_an_address_that_grows_in_lower_case_still_fits(
    send: Send,
) -> None:
    send("user.created", user_json("user_1", email="İ" * 254, at=START))
    assert len(User.objects.get().email or "") == 254


def test_a_ban_closes_the_account_and_its_end_opens_it(
    send: Send,
) -> None:
    send("user.created", user_json("user_1", at=START))
    send("user.updated", user_json("user_1", at=START + 1, banned=True))
    assert not User.objects.get().is_active
    send("user.updated", user_json("user_1", at=START + 2))
    assert User.objects.get().is_active
