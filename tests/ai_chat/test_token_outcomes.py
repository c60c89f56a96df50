"""What each outcome of a text turn costs where tokens have a price: the table in docs/ledger.md,
over HTTP, against a provider that really fails."""

import re
from collections.abc import Callable
from html import unescape
from typing import NamedTuple

import pytest
from django.conf import settings

from ai_chat.jobs.ending import FREE_STOPS
from ai_chat.models import Turn
from credits.ledger import get_balance, sweep_holds
from credits.models import Hold, TokenPrice, UsageHistory, Use, User
from credits.reasons import Reason
from credits.uses import Tokens
from tests.ai_chat.api.client import Program, parts_of
from tests.ai_chat.test_outcomes import stop_when
from tests.ai_chat.tokens import (
    MAX_TOKENS,
    TokensChat,
    assert_paid_exactly,
    ended_turn,
    price_by_tokens,
)
from tests.clock import Clock
from tests.fakes.provider import FakeProvider
from tests.live import Site
from tests.waiting import wait_for

State, Source = Turn.State, Use.Source


@pytest.fixture
def price(transactional_db: None) -> TokenPrice:
    return price_by_tokens()


@pytest.fixture
def chat(chat_site: Site, alice: User, price: TokenPrice) -> TokensChat:
    """Alice, who has 100 credits, at the chat."""
    return TokensChat(chat_site, alice, price)


class Row(NamedTuple):
    """How an answer ends, and the tokens that are paid for: read, written, thought."""

    message: str
    used: tuple[int, int, int] = (0, 0, 0)
    source: str = Source.PROVIDER
    state: str = State.ANSWERED
    failure: str = ""
    cut: str = ""


def failed(message: str, failure: Reason) -> Row:
    return Row(message, source=Source.NONE, state=State.FAILED, failure=failure)


ROWS = [
    Row("Tell me [[tokens:30]]", (3, 30, 0)),
    Row("Tell me more [[tokens:2000]]", (4, MAX_TOKENS, 0), cut=Turn.Cut.LENGTH),
    Row("Think [[tokens:5]] [[reason:20]]", (2, 25, 20)),
    # 28 and 48 bytes, and nobody who counts.
    Row("Count [[tokens:8]] [[usage:none]]", (8, 12, 0), Source.ESTIMATED),
    failed("Please [[fail:500]]", Reason.PROVIDER_ERROR),
    failed("Please [[fail:429]]", Reason.BUSY),
    failed("Please [[fail:cut:0]]", Reason.CUT_OFF),
    failed("Please [[fail:cut:5]]", Reason.CUT_OFF),
    failed("Please [[fail:refuse]]", Reason.REFUSED),
    failed("Please [[fail:empty]]", Reason.EMPTY_ANSWER),
    failed("Please [[reason:1000]]", Reason.LENGTH_USED_UP),
]


def tokens_of(use: Use) -> tuple[int, int, int]:
    return use.input, use.output, use.reasoning


def judge(turn: Turn, row: Row, provider: FakeProvider) -> Use:
    """Looks that a turn has ended as the row says, was paid exactly, and that the provider was told
    what was paid for and is done. Returns its use."""
    use = turn.use
    assert use
    assert (turn.state, turn.failure, turn.cut) == (row.state, row.failure, row.cut)
    assert use.source == row.source
    price = turn.charge.price
    assert price
    expected = 0 if row.source == Source.NONE else price.about(Tokens(
        use.input, use.cached, use.cache_write, use.output, use.reasoning, use.source))  # fmt: skip
    assert use.collected == use.cost == expected
    assert_paid_exactly(turn.user)
    granted = turn.charge.details["output_granted"]
    assert (granted, provider.calls[-1].request.max_tokens) == (MAX_TOKENS, MAX_TOKENS)
    wait_for(lambda: provider.open_completions == 0, "the provider to see that nobody waits")
    return use


def receipt_of(html: str) -> str:
    """The words of the receipt in an article."""
    receipt = html.partition('<div class="receipt')[2].partition("</div>")[0]
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", receipt.partition(">")[2])).split())


def test_an_answer_by_tokens_comes_to_what_the_table_says(
    chat: TokensChat, provider: FakeProvider, alice: User, subtests: pytest.Subtests
) -> None:
    for row in ROWS:
        with subtests.test(row.message):
            answer = chat.send(row.message)
            assert answer.status == 200
            turn = ended_turn(alice)
            use = judge(turn, row, provider)
            assert tokens_of(use) == row.used
            words = receipt_of(answer.events[-1][1])
            if row.source == Source.NONE:
                assert words.startswith(f"↩ Refunded {turn.charge.credits_used} credits")
            else:
                assert words.startswith(f"{use.paid} {use.tokens}")
                assert use.taken in words
                assert ("estimated in your favour" in words) == (row.source == Source.ESTIMATED)
            followed = chat.follow(turn)
            assert receipt_of(followed.events[-1][1]) == words


def test_the_receipt_counts_while_the_answer_comes(chat: TokensChat, alice: User) -> None:
    answer = chat.send("[[tokens:60]] [[delay:0.03]]")
    assert "up to 3 credits held" in receipt_of(answer.events[0][1])
    counts = [data for name, data in answer.events if name == "count"]
    turn = ended_turn(alice)
    assert turn.seconds_taken
    assert 2 <= len(counts) <= 2 * turn.seconds_taken + 2
    amounts = [float(re.fullmatch(r"about ([\d.]+) credits? so far", each)[1]) for each in counts]
    assert amounts == sorted(amounts)
    assert turn.use
    assert amounts[-1] <= float(turn.use.paid.split()[0]) * 1.5


def test_programs_are_told_what_was_used(
    chat: TokensChat, chat_site: Site, alice: User, provider: FakeProvider
) -> None:
    program = Program(chat_site, alice)
    answer = program.ask("Tell me [[tokens:30]]", priceVersion=chat.price.pk)
    body = answer.json()
    receipt = body["receipt"]
    assert receipt["usage"] == {
        "input": 3, "cached": 0, "cacheWrite": 0, "output": 30, "reasoning": 0,
        "source": "provider",
    }  # fmt: skip
    assert (receipt["cost"], receipt["priceVersion"]) == ("0.063000000000", chat.price.pk)
    assert (receipt["paidAhead"], receipt["refunded"]) == ("0.937000000000", 2)
    assert (body["creditsCharged"], body["creditsRemaining"]) == (1, 99)
    assert (answer.headers["X-Credits-Charged"], answer.headers["X-Credits-Remaining"]) == (
        "1", "99"
    )  # fmt: skip
    streamed = program.chat("Tell me [[tokens:30]]")
    assert streamed.headers["X-Credits-Charged"] == "3"
    metadata = parts_of(streamed)[-1]["messageMetadata"]
    assert (metadata["creditsCharged"], metadata["receipt"]["cost"]) == (0, "0.063000000000")
    failed = program.ask("Please [[fail:500]]")
    assert (failed.status_code, failed.json()["refunded"]) == (502, 3)
    assert failed.json()["receipt"]["cost"] == "0.000000000000"
    assert_paid_exactly(alice)
    assert provider.completions_started == 3


def test_a_refusal_before_the_reserve_costs_nothing_and_calls_nobody(
    chat: TokensChat, provider: FakeProvider
) -> None:
    for form in (
        {"message": " "},
        {"message": "Hi", "price_version": "1"},
        {"message": "x" * 8001},
    ):
        assert chat.send(**form).status in {400, 409}
    assert (chat.balance, chat.charges(), provider.completions_started) == (100, 0, 0)


def test_a_stop_after_text_is_paid_by_what_came(
    chat: TokensChat, provider: FakeProvider, alice: User
) -> None:
    stopper = stop_when(chat, ready=lambda turn: bool(turn.answer))
    answer = chat.send("Go on [[tokens:500]] [[delay:0.05]]")
    stopper.join()
    turn = ended_turn(alice)
    row = Row("", source=Source.ESTIMATED, state=State.STOPPED)
    use = judge(turn, row, provider)
    assert len(turn.answer.split()) <= use.output < 500
    assert use.input == len("Go on [[tokens:500]] [[delay:0.05]]") // 4
    assert "stopped by you" in receipt_of(answer.events[-1][1])


def test_a_stop_before_the_first_token_is_free_until_the_free_ones_are_used_up(
    chat: TokensChat, chat_site: Site, provider: FakeProvider, alice: User
) -> None:
    program = Program(chat_site, alice)
    for number in range(FREE_STOPS + 1):
        with program.streaming("[[fail:slow:60]]") as response:
            next(response.iter_bytes())
        wait_for(lambda: not ended_turn(alice).is_running, "the turn to be stopped")
        turn = ended_turn(alice)
        if number < FREE_STOPS:
            row = Row("", source=Source.NONE, state=State.STOPPED, failure=Reason.STOPPED_EARLY)
            judge(turn, row, provider)
        else:
            row = row._replace(source=Source.ESTIMATED, failure=Reason.STOPS_USED_UP)
            assert tokens_of(judge(turn, row, provider)) == (len("[[fail:slow:60]]") // 4, 0, 0)


def test_a_program_that_leaves_in_the_middle_pays_what_it_was_sent(
    chat: TokensChat, chat_site: Site, provider: FakeProvider, alice: User
) -> None:
    program = Program(chat_site, alice)
    with program.streaming("Go on [[tokens:500]] [[delay:0.02]]") as response:
        seen = b""
        for piece in response.iter_bytes():
            seen += piece
            if seen.count(b"text-delta") > 3:
                break
    wait_for(lambda: not ended_turn(alice).is_running, "the turn to be stopped")
    row = Row("", source=Source.ESTIMATED, state=State.STOPPED)
    use = judge(ended_turn(alice), row, provider)
    assert use.input == 8
    assert 0 < use.output < 500
    assert provider.completions_closed == 1


def test_a_lost_browser_finds_the_whole_answer_and_pays_for_it(
    chat: TokensChat, provider: FakeProvider, alice: User
) -> None:
    with chat.sending("Go on [[tokens:40]] [[delay:0.03]]") as response:
        next(response.iter_bytes())
    wait_for(lambda: not ended_turn(alice).is_running, "the answer to be finished alone")
    assert tokens_of(judge(ended_turn(alice), Row(""), provider)) == (4, 40, 0)


def test_our_own_time_limit_is_paid_by_what_came(
    start_site: Callable[..., Site], provider: FakeProvider, alice: User, price: TokenPrice
) -> None:
    site = start_site(
        OPENAI_BASE_URL=provider.base_url,
        FIRST_TOKEN_SECONDS="4",
        SILENCE_SECONDS="5",
        ANSWER_SECONDS="6",
    )
    chat = TokensChat(site, alice, price)
    chat.send("Go on [[fail:stall:4]]")
    use = judge(ended_turn(alice), Row("", source=Source.ESTIMATED, cut=Turn.Cut.TIME), provider)
    assert (use.input, use.output) == (5, 6)
    chat.send("[[fail:stall:0]]")
    judge(ended_turn(alice), failed("", Reason.TIMEOUT), provider)


def test_what_killed_processes_had_reserved_comes_back(
    start_site: Callable[..., Site],
    provider: FakeProvider,
    alice: User,
    price: TokenPrice,
    clock: Clock,
) -> None:
    site = start_site(OPENAI_BASE_URL=provider.base_url)
    chat = TokensChat(site, alice, price)
    with chat.sending("[[tokens:600]] [[delay:0.25]]") as response:
        next(response.iter_bytes())
        site.kill_workers()
    assert get_balance(user_id=alice.pk).held == 3
    clock.move(seconds=settings.HOLD_LEASE_SECONDS)
    assert sweep_holds() == 1
    assert not Hold.objects.exists()
    assert UsageHistory.objects.get(refund_of__isnull=False).details["reason"] == "lease_expired"
    assert Use.objects.get().source == Source.NONE
    assert_paid_exactly(alice)
