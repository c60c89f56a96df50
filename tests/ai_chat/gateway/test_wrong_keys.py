"""Wrong keys are counted by where they come from; good ones are neither counted nor refused."""

from typing import Any

import pytest
from django.test import RequestFactory

from ai_chat.gateway import auth
from ai_chat.gateway.auth import MAX_WRONG, WrongKeys, caller_of
from ai_chat.gateway.errors import ApiError, error_response
from credits.keys.lookup import InvalidApiKey
from credits.keys.secrets import new_secret
from credits.models import RateLimit, User
from credits.users.limits import WINDOW
from tests.clock import Clock
from tests.factories import make_key, make_secret

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nobody_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "wrong_keys", WrongKeys())


def ask(secret: str, address: str = "192.0.2.1") -> object:
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    return caller_of(RequestFactory().get("/v1/models", headers=headers, REMOTE_ADDR=address))


def guess(times: int, address: str = "192.0.2.1") -> None:
    for _ in range(times):
        with pytest.raises(InvalidApiKey):
            ask(new_secret(), address)


def test_wrong_keys_from_one_address_are_limited(db: None) -> None:
    guess(MAX_WRONG)
    with pytest.raises(ApiError) as refused:
        ask(new_secret())
    assert (refused.value.status, refused.value.code) == (429, "too_many_wrong_keys")
    answer = error_response(refused.value, path="/v1/models", request_id="req_1")
    assert answer["x-should-retry"] == "false"
    assert int(answer["Retry-After"]) <= 60
    guess(1, "192.0.2.2")


def test_a_refused_address_costs_no_statement_for_what_is_no_key(
    alice: User, django_assert_num_queries: Any
) -> None:
    guess(MAX_WRONG)
    with pytest.raises(ApiError):
        ask("sk-tally_nothing")
    with django_assert_num_queries(0), pytest.raises(ApiError):
        ask("sk-tally_nothing")


def test_a_good_key_costs_one_statement_whatever_came_before(
    alice: User, django_assert_num_queries: Any
) -> None:
    good = make_secret(make_key(alice))
    ask(good)
    guess(MAX_WRONG)
    with django_assert_num_queries(1):
        ask(good)
    assert RateLimit.objects.get().key == "wrong-keys:192.0.2.1"


def test_the_limit_ends(alice: User, clock: Clock) -> None:
    guess(MAX_WRONG)
    clock.move(seconds=WINDOW.total_seconds() + 1)
    guess(1)


def test_a_call_without_a_key_is_not_counted() -> None:
    for _ in range(MAX_WRONG + 1):
        with pytest.raises(InvalidApiKey):
            ask("")
    assert not RateLimit.objects.exists()
