"""Limits beside money: exactly as many as the limit, however many come at once."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from typing import Any

import pytest

from ai_chat.models import Turn
from config.errors import TooManyRequests
from credits.models import UsageHistory, User
from tests.ai_chat.api.client import Program
from tests.ai_chat.chat import Chat
from tests.ai_chat.turns import charge_turn
from tests.clock import Clock
from tests.factories import make_grant
from tests.fakes.provider import FakeProvider
from tests.live import Site


@pytest.fixture
def limited(start_site: Callable[..., Site], provider: FakeProvider) -> Callable[..., Site]:
    return lambda **limits: start_site(OPENAI_BASE_URL=provider.base_url, **limits)


def test_a_burst_of_200_at_ten_a_minute_lets_ten_through(
    limited: Callable[..., Site], provider: FakeProvider, alice: User, clock: Clock
) -> None:
    program = Program(limited(REQUESTS_PER_MINUTE="10"), alice)
    clock.freeze()  # However long the burst takes, it is one minute's.
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda n: program.ask(f"Message {n}"), range(200)))
    assert Counter(answer.status_code for answer in answers) == {200: 10, 429: 190}
    assert provider.completions_started == Turn.objects.count() == 10
    assert program.balance == 90
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["error"] == "too_many_requests"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60


def test_a_burst_of_200_at_ten_in_flight_lets_ten_through(
    limited: Callable[..., Site], provider: FakeProvider, alice: User
) -> None:
    make_grant(alice, 1000)
    site = limited(TURNS_IN_FLIGHT="10", REQUESTS_PER_MINUTE="1000")
    program = Program(site, alice)
    with ThreadPoolExecutor(40) as pool:
        answers = [pool.submit(program.ask, "[[gate]]") for _ in range(200)]
        refused = [answer.result() for answer in islice(as_completed(answers), 190)]
        provider.open_gate()
    assert Counter(answer.result().status_code for answer in answers) == {200: 10, 429: 190}
    assert {answer.status_code for answer in refused} == {429}
    assert provider.completions_started == 10
    assert UsageHistory.objects.filter(operation_type="AI_TEXT_CHAT").count() == 10
    assert int(refused[0].headers["Retry-After"]) > 0


def test_the_page_says_it_in_a_sentence(
    limited: Callable[..., Site], alice: User, clock: Clock
) -> None:
    site = limited(REQUESTS_PER_MINUTE="2")
    clock.freeze()
    chat = Chat(site, alice)
    assert [chat.send("Hello").status for _ in range(2)] == [200, 200]
    refused = chat.send("Hello")
    assert refused.status == 429
    assert refused.problem.startswith("You can send 2 messages or image requests a minute.")
    assert "Retry-After" in refused.headers
    gallery = site.client(alice).post("/images", data={"message": "A tree"})
    assert gallery.status_code == 429
    assert "You can send 2 messages or image requests a minute." in gallery.text
    assert chat.balance == 98


def test_a_minute_later_there_is_room_again(
    alice: User, bob: User, clock: Clock, settings: Any
) -> None:
    settings.REQUESTS_PER_MINUTE = 2
    clock.freeze()
    charge_turn(alice)
    clock.move(seconds=20)
    charge_turn(alice)
    with pytest.raises(TooManyRequests) as refusal:
        charge_turn(alice)
    assert refusal.value.retry_seconds == 40
    charge_turn(bob)
    clock.move(seconds=39)
    with pytest.raises(TooManyRequests):
        charge_turn(alice)
    clock.move(seconds=1)
    charge_turn(alice)
    with pytest.raises(TooManyRequests) as refusal:
        charge_turn(alice)
    assert refusal.value.retry_seconds == 20
