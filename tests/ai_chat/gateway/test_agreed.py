"""What a client agrees to pay, what it is granted for that, and what the headers say of it."""

from typing import Any

import httpx
import pytest

from credits.models import AIModel, Limit, TokenPrice, User
from tests.ai_chat.gateway.client import ApiProgram, assert_paid_exactly
from tests.ai_chat.tokens import price_by_tokens
from tests.ai_chat.turns import MODEL
from tests.factories import make_limit, make_token_price, set_price
from tests.fakes.provider import FakeProvider

#: More output than 100 credits pay for, at 2 per 1,000 tokens.
MUCH = 100_000


@pytest.fixture
def large(program: ApiProgram) -> ApiProgram:
    """A program whose model writes a lot."""
    AIModel.objects.filter(name=MODEL).update(output_tokens=2 * MUCH)
    return program


def ask(program: ApiProgram, body: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = program.body(**(body or {"max_tokens": MUCH}))
    return program.http.post("/chat/completions", json=sent, headers=names)


def limited_by(answer: httpx.Response) -> str | None:
    assert answer.status_code == 200, answer.text
    assert ("X-Tally-Limited-By" in answer.headers) == (
        int(answer.headers["X-Tally-Max-Output"]) < MUCH
    )
    named: str | None = answer.headers.get("X-Tally-Limited-By")
    return named


def error_of(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    error: dict[str, Any] = answer.json()["error"]
    assert error["code"] == code
    return error


def test_less_output_is_granted_by_the_balance(large: ApiProgram) -> None:
    answer = ask(large)
    assert limited_by(answer) == "balance"
    assert 49_000 < int(answer.headers["X-Tally-Max-Output"]) < 50_000
    assert answer.headers["X-Tally-Reserved"] == "100"
    assert_paid_exactly(large.user)


def test_or_by_a_limit_or_by_what_is_agreed_whichever_is_least(
    large: ApiProgram, alice: User
) -> None:
    limit = make_limit(alice, 20)
    of_key = make_limit(alice, 10, api_key=large.key)
    assert limited_by(ask(large)) == f"limit:{of_key.pk}"
    assert limited_by(ask(large, X_Max_Credits="15")) == f"limit:{of_key.pk}"
    assert limited_by(ask(large, X_Max_Credits="5")) == "max-credits"
    Limit.objects.filter(pk=of_key.pk).update(credits=50)
    assert limited_by(ask(large, X_Max_Credits="45")) == f"limit:{limit.pk}"
    Limit.objects.filter(pk=limit.pk).update(credits=1000)
    assert limited_by(ask(large, X_Max_Credits="45")) == "max-credits"
    Limit.objects.all().update(credits=1000)
    assert limited_by(ask(large, X_Max_Credits="1000")) == "balance"
    assert_paid_exactly(large.user)


def test_who_names_no_length_gets_half_by_the_balance(large: ApiProgram) -> None:
    answer = ask(large, {"n": 1})
    assert answer.headers["X-Tally-Limited-By"] == "balance"
    assert int(answer.headers["X-Tally-Max-Output"]) < 25_000


def test_what_is_granted_wholly_is_limited_by_nothing(program: ApiProgram) -> None:
    answer = ask(program, {"max_tokens": 100}, X_Max_Credits="3")
    assert answer.headers["X-Tally-Max-Output"] == "100"
    assert "X-Tally-Limited-By" not in answer.headers


@pytest.mark.parametrize("never", ["never", "Never"])
def test_who_wants_all_or_nothing_gets_nothing(
    large: ApiProgram, alice: User, provider: FakeProvider, never: str
) -> None:
    error = error_of(ask(large, X_Tally_Clamp=never), 402, "insufficient_credits")
    assert error["message"].startswith("Insufficient credits")
    assert error["type"] == "insufficient_quota"
    assert error["metadata"]["required"] == 201
    assert error["metadata"]["available"] == 100
    limit = make_limit(alice, 10, api_key=large.key)
    error = error_of(ask(large, X_Tally_Clamp=never), 402, "limit_reached")
    assert error["message"].startswith("Insufficient credits")
    told = error["metadata"]["limit"]
    resets_at = told.pop("resets_at")
    assert resets_at.endswith("T00:00:00Z")
    assert told == {
        "id": limit.pk, "scope": "key", "period": "day", "credits": 10, "hard": True,
        "by_admin": False, "spent": "0.000000000000", "held": "0.000000000000", "remaining": 10,
    }  # fmt: skip
    assert (error["metadata"]["required"], error["metadata"]["available"]) == (201, 10)
    assert provider.completions_started == 0
    assert ask(large, {"max_tokens": 100}, X_Tally_Clamp=never).status_code == 200


def test_a_refusal_for_want_of_credits_is_not_tried_again(large: ApiProgram) -> None:
    refused = ask(large, X_Tally_Clamp="never")
    assert refused.headers["x-should-retry"] == "false"
    assert "Retry-After" not in refused.headers


@pytest.mark.parametrize(
    "headers",
    [{"X_Tally_Clamp": "sometimes"}, {"X_Max_Credits": "-1"}, {"X_Max_Credits": "1.5"},
     {"X_Max_Credits": "9" * 20}, {"X_Price_Version": "latest"}],
)  # fmt: skip
def test_headers_that_say_nothing_are_refused(
    program: ApiProgram, provider: FakeProvider, headers: dict[str, str]
) -> None:
    error_of(ask(program, None, **headers), 400, "invalid_value")
    assert provider.completions_started == 0


def test_a_price_that_has_changed_is_412(program: ApiProgram, price: TokenPrice) -> None:
    assert ask(program, X_Price_Version=str(price.pk)).status_code == 200
    newer = price_by_tokens()
    error = error_of(ask(program, X_Price_Version=str(price.pk)), 412, "price_changed")
    assert error["metadata"]["price_version"] == newer.pk
    # That it is priced by tokens at all was not agreed to.
    error_of(ask(program, X_Price_Version="0"), 412, "price_changed")
    assert ask(program, X_Price_Version=str(newer.pk)).status_code == 200
    assert_paid_exactly(program.user)


def test_what_costs_more_than_was_agreed_at_the_least_is_412(program: ApiProgram) -> None:
    error = error_of(ask(program, X_Max_Credits="0"), 412, "price_changed")
    assert (error["metadata"]["agreed"], error["metadata"]["unit_cost"]) == (0, 1)


def test_a_price_by_message_is_agreed_to_as_well(program: ApiProgram, price: TokenPrice) -> None:
    make_token_price(
        price.model, input=None, cached=None, cache_write=None, output=None, reasoning=None
    )
    set_price("ai_text_chat", 4)
    assert ask(program, X_Max_Credits="4", X_Price_Version="0").status_code == 200
    error_of(ask(program, X_Max_Credits="3"), 412, "price_changed")
    error_of(ask(program, {"n": 2}, X_Max_Credits="7"), 412, "price_changed")
    error_of(ask(program, X_Price_Version=str(price.pk)), 412, "price_changed")


def test_credits_held_by_other_calls_are_busy(
    large: ApiProgram, alice: User, provider: FakeProvider
) -> None:
    with large.complete("[[tokens:3]][[gate]]", stream=True, max_tokens=MUCH) as stream:
        next(iter(stream))
        refused = ask(large)
        error = error_of(refused, 429, "busy")
        assert error["type"] == "rate_limit_error"
        assert refused.headers["Retry-After"] == "2"
        assert refused.headers["x-ratelimit-remaining-requests"] == "598"
        provider.open_gate()
    large.wait_until_ended()
    assert ask(large).status_code == 200


def test_so_are_they_where_a_call_costs_what_a_message_does(
    program: ApiProgram, price: TokenPrice, provider: FakeProvider
) -> None:
    make_token_price(
        price.model, input=None, cached=None, cache_write=None, output=None, reasoning=None
    )
    set_price("ai_text_chat", 60)
    with program.complete("[[tokens:3]][[gate]]", stream=True) as stream:
        next(iter(stream))
        error_of(ask(program), 429, "busy")
        set_price("ai_text_chat", 101)
        error_of(ask(program), 402, "insufficient_credits")
        provider.open_gate()
    program.wait_until_ended()
