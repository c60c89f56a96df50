"""POST /v1/quote and GET /v1/key: what a call would cost, and what is left."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from ai_chat.models import ApiCall
from credits.ledger import get_balance
from credits.models import AIModel, Hold, TokenPrice, UsageHistory, User
from credits.uses import Tokens, settle_use
from tests.ai_chat.tokens import price_by_tokens
from tests.ai_chat.turns import MODEL
from tests.factories import make_charge, make_key, make_limit, make_reserve, make_secret, make_user

pytestmark = pytest.mark.django_db
type Quote = Callable[..., Any]


@pytest.fixture
def price(db: None) -> TokenPrice:
    return price_by_tokens()


@pytest.fixture
def quote(alice: User, price: TokenPrice) -> Quote:
    """Asks what a call would cost with a key of Alice's; she has 100 credits."""
    secret = make_secret(make_key(alice))

    def ask(body: Any = None, *, status: int = 200, **headers: str) -> Any:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = Client().post(
            "/v1/quote",
            data=chat() if body is None else body,
            content_type="application/json",
            headers={"Authorization": f"Bearer {secret}", **names},
        )
        assert answer.status_code == status, answer.content
        return answer.json()

    return ask


def chat(text: str = "Hello", **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], **more}


def test_a_chat_completion(quote: Quote, price: TokenPrice, alice: User) -> None:
    told = quote()
    assert told.pop("price") == {
        "input": "1000", "cached": "100", "cache_write": "1000", "output": "2000",
        "reasoning": "2000", "request": "0", "unit": "credits per 1M tokens", "version": price.pk,
    }  # fmt: skip
    bound = told["input_bound"]
    assert told == {
        "object": "quote",
        "model": MODEL,
        "price_version": price.pk,
        "input_bound": bound,
        "output_granted": 1000,
        "at_most": f"2.{bound}",
        "reserved": 3,
        "available": 100,
    }
    assert get_balance(user_id=alice.pk).remaining == 100
    assert not UsageHistory.objects.filter(account=alice.pk, unit_cost__isnull=False).exists()
    assert not ApiCall.objects.exists()
    assert not Hold.objects.exists()


def test_more_is_said_where_less_would_be_granted(quote: Quote, alice: User) -> None:
    AIModel.objects.filter(name=MODEL).update(output_tokens=10**6)
    body = chat(max_tokens=10**6)
    assert quote(body)["limited_by"] == "balance"
    assert quote(body, X_Max_Credits="7")["limited_by"] == "max-credits"
    assert quote(body, X_Max_Credits="7")["reserved"] == 7
    limit = make_limit(alice, 5)
    told = quote(body)
    assert told["limited_by"] == f"limit:{limit.pk}"
    assert told["limit"]["remaining"] == told["reserved"] == 5


def test_what_such_a_call_usually_costs_is_said_once_it_is_known(
    quote: Quote, price: TokenPrice, alice: User
) -> None:
    for _ in range(10):
        reserve = make_reserve(alice, price.model)
        settle_use(charge_id=reserve.id, tokens=Tokens(100, 0, 0, 10, 0, "provider"))
    assert float(quote()["likely"]) > 0


@pytest.mark.parametrize(
    "body",
    [
        {"model": MODEL, "input": "Hello"},
        {"model": MODEL, "input": [{"role": "user", "content": "Hello"}], "store": False},
    ],
)
def test_a_response(quote: Quote, body: dict[str, Any]) -> None:
    assert quote(body)["reserved"] == 3


def test_images(quote: Quote, alice: User) -> None:
    AIModel.objects.filter(name="tally-painter").update(price_factor=2)
    body = {"model": "tally-painter", "prompt": "A tree", "n": 3}
    told = quote(body)
    assert (told["reserved"], told["at_most"], told["price_version"]) == (30, "30", 0)
    assert told["price"] == {"image": "10", "unit": "credits per image", "version": 0}
    quote(body, status=412, X_Max_Credits="29")
    quote(body, status=412, X_Price_Version="3")
    limit = make_limit(alice, 20)
    refused = quote(body, status=402)["error"]
    assert refused["code"] == "limit_reached"
    assert refused["metadata"]["limit"]["id"] == limit.pk
    make_limit(alice, 5, api_key=make_key(alice))  # Of another key: it says nothing of this one.
    assert quote({**body, "n": 2})["reserved"] == 20
    refused = quote({**body, "n": 9}, status=400)["error"]
    assert refused["param"] == "n"


def test_too_few_credits_are_refused_as_the_call_would_be(quote: Quote, alice: User) -> None:
    make_charge(alice, 100)
    refused = quote(status=402)["error"]
    assert refused["code"] == "insufficient_credits"
    assert refused["metadata"]["required"] == 1
    body = {"model": "tally-painter", "prompt": "A tree"}
    assert quote(body, status=402)["error"]["metadata"]["available"] == 0


def test_what_a_call_would_refuse_a_quote_does(quote: Quote, alice: User) -> None:
    assert quote(chat(audio={}), status=400)["error"]["code"] == "unsupported_parameter"
    assert quote({"model": "other"}, status=404)["error"]["code"] == "model_not_found"
    assert quote({}, status=400)["error"]["param"] == "model"
    assert quote(chat(), status=412, X_Price_Version="0")["error"]["code"] == "price_changed"
    wordless = {"model": MODEL, "messages": [{"role": "user", "content": [{"type": "text"}]}]}
    refused = quote(wordless, status=400)["error"]
    assert refused["param"] == "messages[0].content[0].text"
    refused = quote(chat(), status=412, X_Max_Credits="0")["error"]
    assert refused["metadata"] == {"agreed": 0, "unit_cost": 1}
    assert quote(chat(unheard_of=1))["ignored"] == ["unheard_of"]


def test_a_quote_needs_a_key_that_may_call_the_model(alice: User, price: TokenPrice) -> None:
    client = Client()
    options: dict[str, Any] = {"data": chat(), "content_type": "application/json"}
    assert client.post("/v1/quote", **options).status_code == 401
    refused_keys: list[tuple[dict[str, Any], str]] = [
        ({"only_models": ["other"]}, "model_not_allowed"),
        ({"scopes": ["usage:read"]}, "scope_missing"),
    ]
    for fields, code in refused_keys:
        secret = make_secret(make_key(alice, **fields))
        refused = client.post("/v1/quote", headers={"x-api-key": secret}, **options)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, code)


def test_quotes_are_counted_apart_from_calls(quote: Quote, alice: User, settings: Any) -> None:
    settings.API_CALLS_PER_MINUTE = 2
    quote()
    quote()
    assert quote(status=429)["error"]["code"] == "rate_limit_exceeded"


def ask(secret: str, path: str = "key", status: int = 200) -> Any:
    answer = Client().get(f"/v1/{path}", headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == status, answer.content
    return answer.json()


def test_a_key_is_told_what_it_is_and_what_is_left(alice: User, price: TokenPrice) -> None:
    ends = timezone.now() + timedelta(days=30)
    key = make_key(
        alice, name="CI", only_models=[MODEL], expires_at=ends, calls_per_minute=20
    )  # fmt: skip
    make_limit(alice, 50, "month")
    make_limit(alice, 10, "day", api_key=key)
    make_limit(alice, 7, "day", api_key=make_key(alice))
    make_charge(alice, 3, key_id=key.pk)
    make_charge(alice, 4)
    make_reserve(alice, price.model, key_id=key.pk)
    told = ask(make_secret(key))
    assert (told["object"], told["id"], told["name"]) == ("key", key.public_id, "CI")
    assert (told["models"], told["scopes"]) == ([MODEL], ["inference"])
    assert told["expires_at"][:10] == ends.date().isoformat()
    assert told["rate"] == {"requests_per_minute": 20}
    balance = get_balance(user_id=alice.pk)
    assert told["account"] == {
        "creditsRemaining": balance.remaining,
        "creditsHeld": balance.held,
        "paidAhead": "0.000000000000",
    }
    account, own = told["limits"]
    assert (account["scope"], account["period"], account["spent"]) == (
        "account", "month", "7.000000000000",
    )  # fmt: skip
    assert (own["scope"], own["credits"], own["spent"]) == ("key", 10, "3.000000000000")
    assert float(own["held"]) > 0
    assert own["resets_at"].endswith("T00:00:00Z")
    assert own["remaining"] == int(10 - float(own["spent"]) - float(own["held"]))


def test_every_key_may_ask_of_itself(alice: User) -> None:
    key = make_key(alice, scopes=[])
    assert ask(make_secret(key))["limits"] == []


def test_of_another_key_with_the_scope_for_it_alone(alice: User) -> None:
    other = make_key(alice, revoked_at=timezone.now())
    path = f"key?id={other.public_id}"
    reader = make_secret(make_key(alice, scopes=["usage:read"]))
    assert ask(reader, path)["revoked_at"]
    refused = ask(make_secret(make_key(alice)), path, status=403)
    assert refused["error"]["code"] == "scope_missing"
    foreign = make_key(make_user())
    for unknown in (foreign.public_id, "key_nothing", "\0"):
        assert ask(reader, f"key?id={unknown}", status=404)["error"]["code"] == "not_found"


def test_a_key_that_has_ended_is_told_nothing(alice: User) -> None:
    secret = make_secret(make_key(alice, revoked_at=timezone.now()))
    assert ask(secret, status=401)["error"]["code"] == "invalid_api_key"
