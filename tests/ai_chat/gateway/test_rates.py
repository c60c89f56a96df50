"""How often a key may call, and what every answer says of it."""

import openai
import pytest

from ai_chat.models import ApiCall
from credits.models import TokenPrice, User
from tests.ai_chat.gateway.client import ApiProgram, assert_paid_exactly
from tests.factories import make_key, make_limit
from tests.fakes.provider import FakeProvider
from tests.live import Site
from tests.parallel import in_parallel

NAMES = [f"x-ratelimit-{name}-requests" for name in ("limit", "remaining", "reset")]


def rate_in(headers: object) -> list[str]:
    return [headers.get(name) for name in NAMES]  # type: ignore[attr-defined]


def slow(site: Site, user: User, most: int, **options: object) -> ApiProgram:
    """A program whose key may call so often in a minute."""
    return ApiProgram(site, user, make_key(user, calls_per_minute=most), **options)


def test_an_answer_says_what_is_left_of_the_rate(program: ApiProgram) -> None:
    first, second = program.post(), program.post("more", stream=True)
    assert rate_in(first.headers) == ["600", "599", "60s"]
    assert rate_in(second.headers) == ["600", "598", "60s"]


def test_a_key_may_have_a_rate_of_its_own(
    chat_site: Site, alice: User, price: TokenPrice, provider: FakeProvider
) -> None:
    program = slow(chat_site, alice, 2)
    assert rate_in(program.post().headers) == ["2", "1", "60s"]
    assert rate_in(program.post().headers) == ["2", "0", "60s"]
    refused = program.post()
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert refused.json()["error"]["type"] == "rate_limit_error"
    assert refused.json()["error"]["message"].startswith("You can send 2 calls a minute.")
    assert rate_in(refused.headers)[:2] == ["2", "0"]
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert provider.completions_started == 2
    # Another key of the account has its own, and the account's is the tighter one for it.
    assert rate_in(ApiProgram(chat_site, alice).post().headers) == ["600", "597", "60s"]
    assert_paid_exactly(alice)


def test_a_key_cannot_have_more_than_the_site_gives(
    chat_site: Site, alice: User, price: TokenPrice
) -> None:
    assert rate_in(slow(chat_site, alice, 10**6).post().headers)[0] == "600"


def test_of_twenty_calls_at_once_as_many_as_the_rate_are_let_through(
    chat_site: Site, alice: User, price: TokenPrice, provider: FakeProvider
) -> None:
    program = slow(chat_site, alice, 5)
    answers = in_parallel(20, lambda _: program.post(max_tokens=5))
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [429] * 15
    remaining = [answer.headers[NAMES[1]] for answer in answers if answer.status_code == 200]
    assert sorted(remaining) == ["0", "1", "2", "3", "4"]
    assert provider.completions_started == 5
    assert_paid_exactly(alice)


def test_a_refusal_by_the_ledger_counts_and_says_so(
    program: ApiProgram, alice: User, provider: FakeProvider
) -> None:
    make_limit(alice, 0)
    refused = program.post()
    assert refused.status_code == 402
    assert rate_in(refused.headers) == ["600", "599", "60s"]


def test_a_failure_of_the_provider_says_so_too(program: ApiProgram) -> None:
    failed = program.post("[[fail:500]]")
    assert failed.status_code == 502
    assert rate_in(failed.headers) == ["600", "599", "60s"]
    assert failed.headers["X-Tally-Charge"] == str(ApiCall.objects.get().charge_id)
    assert failed.headers["X-Tally-Remaining"] == "100"


def test_the_sdk_waits_as_long_as_it_is_told(
    chat_site: Site, alice: User, price: TokenPrice
) -> None:
    program = slow(chat_site, alice, 1)
    program.complete()
    with pytest.raises(openai.RateLimitError) as refused:
        program.complete()
    assert refused.value.code == "rate_limit_exceeded"
    assert 1 <= int(refused.value.response.headers["retry-after"]) <= 60
