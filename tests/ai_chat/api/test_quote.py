"""What a message would cost, asked by a program."""

from typing import Any

import pytest
from django.test import override_settings

from ai_chat.providers.bounds import FRAMING_TOKENS, TEMPLATE_TOKENS
from credits.models import AIModel, TokenPrice, UsageHistory, User
from tests.ai_chat.api.client import user_says
from tests.ai_chat.turns import MODEL, text_model
from tests.api import Api
from tests.factories import make_limit, make_token_price, make_user

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def price(transactional_db: None) -> TokenPrice:
    """1 credit per 1,000 tokens that are read, 2 per 1,000 that are written, of which an answer has
    1,000 at most."""
    model = text_model(output_tokens=1000, output_least=100)
    return make_token_price(model, input=10**9, cached=10**8, cache_write=10**9, output=2 * 10**9,
                            reasoning=2 * 10**9)  # fmt: skip


def quote(user: User, text: str = "Hello", **more: Any) -> Any:
    return Api(user).send("POST", "/api/ai/quote", user_says(text, model=MODEL, **more))


def test_a_quote_says_what_the_message_would_take(alice: User, price: TokenPrice) -> None:
    answer = quote(alice)
    bound = len("Hello") + FRAMING_TOKENS + TEMPLATE_TOKENS
    assert answer.status_code == 200
    assert answer.json() == {
        "model": MODEL,
        "priceVersion": price.pk,
        "pricing": {
            "unit": "1M_tokens", "version": price.pk, "input": "1000", "cached": "100",
            "cacheWrite": "1000", "output": "2000", "reasoning": "2000", "request": "0",
            "maxInput": None,
        },
        "reserved": 3,
        "atMost": f"2.{bound:03}000000000",
        "inputBound": bound,
        "outputGranted": 1000,
        "likely": None,
        "creditsRemaining": 100,
        "limit": None,
    }  # fmt: skip
    assert answer["Cache-Control"] == "no-store"
    assert not UsageHistory.objects.filter(unit_cost__isnull=False).exists()


def test_the_conversation_counts(alice: User, price: TokenPrice) -> None:
    long = {"role": "user", "parts": [{"type": "text", "text": "x" * 1000}]}
    said = {"role": "assistant", "parts": [{"type": "text", "text": "y" * 1000}]}
    body = {**user_says("Hello"), "model": MODEL}
    body["messages"] = [long, said, *body["messages"]]
    answer = Api(alice).send("POST", "/api/ai/quote", body).json()
    assert answer["inputBound"] == 2005 + 3 * FRAMING_TOKENS + TEMPLATE_TOKENS


def test_a_model_with_a_price_per_message_has_that(alice: User) -> None:
    answer = quote(alice).json()
    assert (answer["reserved"], answer["atMost"]) == (1, "1.000000000000")
    assert (answer["priceVersion"], answer["outputGranted"], answer["likely"]) == (None, None, None)


def test_less_is_granted_to_fewer_credits_or_by_a_limit(alice: User, price: TokenPrice) -> None:
    answer = quote(make_user(credits=1)).json()
    assert 100 <= answer["outputGranted"] < 1000
    assert (answer["reserved"], answer["limit"]) == (1, None)
    limit = make_limit(alice, 2)
    answer = quote(alice).json()
    assert (answer["reserved"], answer["limit"]["id"]) == (2, limit.pk)


def test_what_the_message_would_be_refused_with_the_quote_is(
    alice: User, price: TokenPrice
) -> None:
    answer = quote(make_user(credits=0))
    assert (answer.status_code, answer.json()["error"]) == (402, "insufficient_credits")
    assert (answer.json()["required"], answer.json()["available"]) == (1, 0)
    assert "next" in answer.json()
    make_limit(alice, 0)
    answer = quote(alice)
    assert (answer.status_code, answer.json()["error"]) == (402, "limit_reached")
    assert quote(alice, " ").status_code == 400
    AIModel.objects.filter(name=MODEL).update(active=False)
    assert quote(alice).status_code == 400


@override_settings(REQUESTS_PER_MINUTE=2)
def test_quotes_are_counted_apart_from_what_is_paid(alice: User) -> None:
    assert [quote(alice).status_code for _ in range(3)] == [200, 200, 429]
    answer = Api(alice).send("POST", "/api/ai/chat", {**user_says("Hello"), "maxUnitCost": 0})
    assert answer.status_code == 409


def test_a_message_for_another_price_than_was_read_is_refused(
    alice: User, price: TokenPrice
) -> None:
    newer = make_token_price(price.model, input=10**9, output=3 * 10**9)
    body = user_says("Hello", model=MODEL, priceVersion=price.pk)
    answer = Api(alice).send("POST", "/api/ai/chat", body)
    assert (answer.status_code, answer.json()["error"]) == (409, "price_changed")
    assert newer.pk != price.pk
    other = {**body, "priceVersion": newer.pk, "maxUnitCost": 0}
    assert Api(alice).send("POST", "/api/ai/chat", other).json()["error"] == "price_changed"


def test_a_message_for_a_price_by_tokens_is_refused_where_messages_have_one(alice: User) -> None:
    text_model()
    body = user_says("Hello", model=MODEL, priceVersion=1)
    answer = Api(alice).send("POST", "/api/ai/chat", body)
    assert (answer.status_code, answer.json()["error"]) == (409, "price_changed")
    assert not UsageHistory.objects.filter(unit_cost__isnull=False).exists()
