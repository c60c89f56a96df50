"""Processes die in the middle of turns: nothing is lost, nothing doubled."""

import threading
from collections.abc import Callable

import httpx
from django.conf import settings

from ai_chat.models import Turn
from credits.ledger import sweep_holds
from credits.models import Hold, Use, User
from credits.reasons import Reason
from tests.ai_chat.chat import Chat
from tests.ai_chat.tokens import TokensChat
from tests.ai_chat.turns import text_model
from tests.clock import Clock
from tests.factories import make_token_price
from tests.fakes.provider import FakeProvider
from tests.live import Site
from tests.waiting import wait_for

#: Longer than the busiest machine takes to have them all in flight.
SLOW = "[[tokens:600]] [[delay:0.25]]"


def own_site(start_site: Callable[..., Site], provider: FakeProvider) -> Site:
    """Not the shared one: its workers will be killed. Either of them has threads enough for all the
    turns of one user: the other may not have come up yet."""
    return start_site(OPENAI_BASE_URL=provider.base_url, TURNS_IN_FLIGHT="1000", WEB_THREADS="128")


def open_turns(chat: Chat, count: int) -> list[threading.Thread]:
    def send(number: int) -> None:
        try:
            chat.send(SLOW, key=f"killed-{number}")
        except httpx.HTTPError:
            return  # The worker was killed under it.

    threads = [threading.Thread(target=send, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    return threads


def test_killed_workers_leave_no_hold_past_its_lease(
    start_site: Callable[..., Site], provider: FakeProvider, alice: User, clock: Clock
) -> None:
    site = own_site(start_site, provider)
    chat = Chat(site, alice)
    threads = open_turns(chat, 24)
    wait_for(lambda: Hold.objects.count() == 24, "24 turns to be in flight")
    site.kill_workers()
    for thread in threads:
        thread.join()
    assert Hold.objects.count() == 24
    assert chat.balance == 76

    assert sweep_holds() == 0, "nothing is swept before its lease ends"
    clock.move(seconds=settings.HOLD_LEASE_SECONDS)
    assert sweep_holds() == 24
    assert not Hold.objects.exists()
    assert chat.balance == 100
    assert len(chat.refunds()) == 24
    turn = chat.turn
    wait_for(lambda: _status(chat, "x" * 9000) == 400, "new workers")
    page = chat.client.get(f"/ai-chat/{turn.conversation_id}")
    assert "Refunded 1 credit" in page.text
    assert "interrupted on our side" in page.text
    turn.refresh_from_db()
    assert (turn.state, turn.failure) == (Turn.State.FAILED, Reason.LEASE_EXPIRED)


def test_the_next_spend_frees_the_holds_of_a_killed_process_without_a_sweeper(
    start_site: Callable[..., Site], provider: FakeProvider, bob: User, clock: Clock
) -> None:
    site = own_site(start_site, provider)
    chat = Chat(site, bob)
    threads = open_turns(chat, 10)
    wait_for(lambda: Hold.objects.count() == 10, "10 turns to be in flight")
    site.kill_workers()
    for thread in threads:
        thread.join()
    assert chat.balance == 0
    wait_for(lambda: _status(chat) == 402, "the new workers, who know the holds")
    clock.move(seconds=settings.HOLD_LEASE_SECONDS)
    assert _status(chat) == 200
    assert len(chat.refunds()) == 10
    assert chat.balance == 9


def _status(chat: Chat, message: str = "Hello") -> int:
    try:
        return chat.send(message).status
    except httpx.HTTPError:
        return 0  # The new workers are not up yet.


def test_a_turn_swept_while_it_runs_loses_to_the_sweeper(chat: Chat) -> None:
    """A worker that was away too long must not settle what has been refunded."""
    with chat.sending("[[tokens:30]] [[delay:0.05]]") as response:
        chunks = response.iter_bytes()
        next(chunks)
        Hold.objects.update(lease_until="2020-01-01T00:00:00Z")
        assert sweep_holds() == 1
        rest = b"".join(chunks).decode()
    assert "Refunded 1 credit" in rest
    turn = chat.turn
    assert (turn.state, turn.failure) == (Turn.State.FAILED, Reason.LEASE_EXPIRED)
    assert turn.answer.strip()
    assert chat.balance == 100


def test_a_call_by_tokens_whose_worker_is_killed_is_paid_once_or_not_at_all(
    start_site: Callable[..., Site], provider: FakeProvider, alice: User, clock: Clock
) -> None:
    """Between reserve and settle it is free; between settle and answer it is told again."""
    price = make_token_price(text_model(output_tokens=1000), output=10**9)
    site = own_site(start_site, provider)
    chat = TokensChat(site, alice, price)
    threads = open_turns(chat, 6)
    wait_for(lambda: Hold.objects.count() == 6, "6 calls to be in flight")
    site.kill_workers()
    for thread in threads:
        thread.join()
    assert chat.balance < 100
    clock.move(seconds=settings.HOLD_LEASE_SECONDS)
    assert sweep_holds() == 6
    assert chat.balance == 100
    assert {use.source for use in Use.objects.all()} == {"none"}

    wait_for(lambda: _status(chat, "x" * 9000) == 400, "new workers")
    first = chat.send("Hello", key="settled")
    balance = chat.balance
    assert balance == 99
    site.kill_workers()
    wait_for(lambda: _status(chat, "x" * 9000) == 400, "new workers")
    assert chat.send("Hello", key="settled").receipt == first.receipt
    assert "Refunded" in chat.send(SLOW, key="killed-0").body
    assert (chat.balance, Use.objects.count()) == (balance, 7)
