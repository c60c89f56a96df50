"""What each outcome of a text turn costs: a test for every row of the table in docs/ledger.md, over
HTTP, against a provider that really fails."""

import threading
from collections.abc import Callable
from html import unescape

import pytest

from ai_chat.jobs.ending import FREE_ANSWERS, FREE_STOPS
from ai_chat.models import ProviderFailure, Turn
from ai_chat.providers.client import client as provider_client
from credits.catalogue.models import fill_catalogue
from credits.models import AIModel, Provider, User
from credits.reasons import Reason
from tests.ai_chat.api.client import Program
from tests.ai_chat.chat import Chat
from tests.factories import make_user, set_price
from tests.fakes.provider import FakeProvider
from tests.live import Site
from tests.processes import free_port
from tests.waiting import wait_for

State = Turn.State


def test_an_answer_costs_the_price_on_the_button(chat: Chat, provider: FakeProvider) -> None:
    answer = chat.send("Tell me something. [[tokens:30]]")
    assert answer.status == 200
    assert answer.headers["HX-Trigger"] == "credits:changed"
    assert answer.names[0] == "turn" and "tail" in answer.names and answer.names[-1] == "end"
    assert answer.receipt == "1 credit"
    assert chat.balance == 99
    turn = chat.turn
    assert (turn.state, turn.charge.credits_used, turn.refund) == (State.ANSWERED, 1, None)
    assert turn.answer.strip()
    assert provider.completions_started == 1


def test_text_that_no_database_takes_is_delivered_without_it(chat: Chat) -> None:
    answer = chat.send("[[unstorable]]")
    assert answer.receipt == "1 credit"
    assert chat.turn.answer == "ab 😀 \ufffdc d\ufffd e\ufffd"
    assert chat.balance == 99


FAILURES = [
    ("[[fail:500]]", Reason.PROVIDER_ERROR, False),
    ("[[fail:429]]", Reason.BUSY, False),
    ("[[fail:401]]", Reason.ACCESS, False),
    ("[[fail:garbage]]", Reason.UNREADABLE, False),
    ("[[fail:cut:0]]", Reason.CUT_OFF, False),
    ("[[fail:cut:5]]", Reason.CUT_OFF, True),
    ("[[fail:refuse]]", Reason.REFUSED, False),
    ("[[fail:empty]]", Reason.EMPTY_ANSWER, False),
]


def test_a_failed_answer_is_refunded_in_full_and_keeps_its_text(
    chat: Chat, provider: FakeProvider, subtests: pytest.Subtests
) -> None:
    for marker, failure, has_text in FAILURES:
        with subtests.test(marker):
            answer = chat.send(f"Please {marker}")
            turn = chat.turn
            assert (turn.state, turn.failure) == (State.FAILED, failure)
            assert bool(turn.answer.strip()) is has_text
            assert chat.balance == 100
            assert turn.refund is not None
            assert turn.refund.credits_used == -1
            assert turn.refund.details == {"refund": True, "reason": failure.value}
            assert answer.receipt == "↩ Refunded 1 credit"
            assert failure.label in unescape(answer.events[-1][1])
            assert ("receipt back cut" in answer.events[-1][1]) is has_text
    assert provider.completions_started == len(FAILURES)


def test_what_comes_to_nothing_is_free_ten_times_an_hour(chat: Chat) -> None:
    message = "[[echo]] <think>Nothing but thoughts</think>"
    for _ in range(FREE_ANSWERS):
        assert chat.send(message).receipt == "↩ Refunded 1 credit"
    answer = chat.send(message)
    assert answer.receipt == "1 credit"
    assert Reason.ANSWERS_USED_UP.label in unescape(answer.events[-1][1])
    assert (chat.turn.state, chat.turn.failure) == (State.FAILED, Reason.ANSWERS_USED_UP)
    assert chat.balance == 99
    assert chat.send("Please [[fail:cut:3]]").receipt == "↩ Refunded 1 credit"
    assert chat.balance == 99, "The provider's failures stay free."


@pytest.fixture
def hurried(start_site: Callable[..., Site], provider: FakeProvider, alice: User) -> Chat:
    """Alice at a site that waits a second for a sign of life and three for an answer."""
    site = start_site(
        OPENAI_BASE_URL=provider.base_url,
        FIRST_TOKEN_SECONDS="1",
        # Twice as long as the fake provider waits between two comments.
        SILENCE_SECONDS="2",
        ANSWER_SECONDS="3",
    )
    return Chat(site, alice)


def test_a_provider_that_is_silent_too_long_is_refunded(
    hurried: Chat, subtests: pytest.Subtests
) -> None:
    """Comments are signs of life, but they are no answer."""
    for message in ("[[fail:slow:30]]", "[[fail:stall:0]]"):
        with subtests.test(message):
            answer = hurried.send(message)
            assert answer.receipt == "↩ Refunded 1 credit"
            assert (hurried.turn.state, hurried.turn.failure) == (State.FAILED, Reason.TIMEOUT)
            assert hurried.balance == 100


def test_text_that_our_own_time_limit_cuts_is_charged(
    hurried: Chat, subtests: pytest.Subtests
) -> None:
    for charged, message in enumerate(("[[fail:stall:4]]", "[[tokens:2000]] [[delay:0.05]]"), 1):
        with subtests.test(message):
            assert hurried.send(message).receipt == "1 credit"
            assert (hurried.turn.state, hurried.turn.cut) == (State.ANSWERED, Turn.Cut.TIME)
            assert hurried.balance == 100 - charged


def test_a_provider_that_cannot_be_reached_is_refunded(
    start_site: Callable[..., Site], alice: User
) -> None:
    site = start_site(OPENAI_BASE_URL=f"http://127.0.0.1:{free_port()}/v1")
    chat = Chat(site, alice)
    assert chat.send("Anybody there?").receipt == "↩ Refunded 1 credit"
    assert chat.balance == 100


def test_another_model_takes_over_when_the_provider_is_down(
    chat: Chat, provider: FakeProvider
) -> None:
    fill_catalogue()
    model = AIModel.objects.get(name="smollm2-135m")
    fallback = AIModel.objects.create(
        name="second", label="Second", feature=model.feature, provider=model.provider,
        provider_model=model.provider_model, position=9,
    )  # fmt: skip
    down = Provider.objects.create(
        name="down", base_url=f"http://127.0.0.1:{free_port()}/v1", dialect="compatible"
    )
    AIModel.objects.filter(pk=model.pk).update(provider=down, fallback=fallback)
    assert chat.send("Hello").receipt == "1 credit"
    turn = chat.turn
    assert (turn.state, turn.model, turn.answered_by) == (State.ANSWERED, model.name, "second")
    assert (chat.charges(), chat.balance) == (1, 99)
    assert provider.completions_started == 1
    failure = ProviderFailure.objects.get()
    assert (failure.model, failure.provider) == (model.name, "down")
    assert failure.recovered_at is None


def test_what_is_refused_before_the_charge_costs_nothing_and_calls_nobody(
    chat: Chat, chat_site: Site, provider: FakeProvider, subtests: pytest.Subtests
) -> None:
    poor = Chat(chat_site, make_user(credits=0))
    set_price("ai_text_chat", 3)
    cases = [
        (poor, {"message": "Hello"}, 409),
        (poor, {"message": "Hello", "price": "3"}, 402),
        (poor, {"message": "Hello", "price": "9" * 19}, 402),
        (chat, {"message": "Hello", "price": "0"}, 409),
        (chat, {"message": "Hello", "price": "1.5"}, 409),
        (chat, {"message": "Hello", "price": "9" * 30}, 409),
        (chat, {"message": "Hello"}, 409),
        (chat, {"message": "   "}, 400),
        (chat, {"message": "\x00\x00"}, 400),
        (chat, {"message": "x" * 8001}, 400),
        (chat, {"message": "Hello", "model": "gpt-unknown"}, 400),
    ]
    for person, form, status in cases:
        with subtests.test(form=form):
            answer = person.send(**form)
            assert answer.status == status
            assert answer.problem
            assert person.charges() == 0
    assert chat.balance == 100
    assert provider.completions_started == 0
    anonymous = chat_site.client().post("/ai-chat", data={"message": "Hello"})
    assert anonymous.status_code == 401
    assert "/sign-in" in anonymous.text
    assert provider.completions_started == 0


def stop_when(
    chat: Chat, charges: int = 1, ready: Callable[[Turn], bool] = lambda turn: turn.is_running
) -> threading.Thread:
    def stop() -> None:
        wait_for(lambda: chat.charges() == charges and ready(chat.turn), "the turn to stop")
        assert chat.stop(chat.turn).status_code == 204

    thread = threading.Thread(target=stop)
    thread.start()
    return thread


def test_stopped_before_the_first_token_is_refunded(chat: Chat) -> None:
    stopper = stop_when(chat)
    answer = chat.send("[[fail:slow:60]]")
    stopper.join()
    assert answer.receipt == "↩ Refunded 1 credit"
    assert (chat.turn.state, chat.turn.failure) == (State.STOPPED, Reason.STOPPED_EARLY)
    assert chat.balance == 100


def test_early_stops_cost_once_the_free_ones_of_the_hour_are_used_up(
    chat: Chat, chat_site: Site
) -> None:
    program = Program(chat_site, chat.user)
    for _ in range(FREE_STOPS - 1):
        with program.streaming("[[fail:slow:60]]") as response:
            next(response.iter_bytes())
        wait_for(lambda: not chat.turn.is_running, "the turn to be stopped")
        assert chat.turn.failure == Reason.STOPPED_EARLY
    assert chat.balance == 100
    for receipt, failure, credits in (
        ("↩ Refunded 1 credit", Reason.STOPPED_EARLY, 100),
        ("1 credit", Reason.STOPS_USED_UP, 99),
    ):
        stopper = stop_when(chat, chat.charges() + 1)
        answer = chat.send("[[fail:slow:60]]")
        stopper.join()
        assert answer.receipt == receipt
        assert failure.label in answer.events[-1][1]
        assert (chat.turn.state, chat.turn.failure) == (State.STOPPED, failure)
        assert chat.balance == credits


def test_stopped_after_text_was_delivered_is_charged(chat: Chat) -> None:
    stopper = stop_when(chat, ready=lambda turn: bool(turn.answer))
    answer = chat.send("[[tokens:500]] [[delay:0.05]]")
    stopper.join()
    assert answer.receipt == "1 credit"
    assert "stopped by you" in answer.events[-1][1]
    assert (chat.turn.state, chat.turn.failure) == (State.STOPPED, "")
    assert 0 < len(chat.turn.answer.split()) < 500
    assert chat.balance == 99


def test_a_lost_browser_finds_the_finished_answer_waiting(chat: Chat) -> None:
    with chat.sending("[[tokens:40]] [[delay:0.03]]") as response:
        pieces = response.iter_bytes()
        next(pieces)
        assert chat.turn.is_running
    wait_for(lambda: not chat.turn.is_running, "the answer to be finished without a viewer")
    turn = chat.turn
    assert (turn.state, len(turn.answer.split())) == (State.ANSWERED, 40)
    assert chat.balance == 99
    page = chat.client.get(f"/ai-chat/{turn.conversation_id}")
    assert turn.answer.split()[-1] in page.text
    assert chat.follow(turn).names == ["turn", "end"]


def test_nobody_else_can_see_or_stop_a_turn(chat: Chat, chat_site: Site, bob: User) -> None:
    chat.send("A secret")
    turn = chat.turn
    other = Chat(chat_site, bob)
    assert other.client.get(f"/ai-chat/{turn.conversation_id}").status_code == 404
    assert other.client.get(f"/ai-chat/turns/{turn.pk}/events").status_code == 404
    assert other.stop(turn).status_code == 404
    assert other.send("Mine now", path=f"/ai-chat/{turn.conversation_id}").status == 404
    for action in ("rename", "delete"):
        url = f"/ai-chat/{turn.conversation_id}/{action}"
        assert other.client.post(url, data={"title": "x"}).status_code == 404
    assert other.balance == 10


def test_the_sdk_never_retries_by_itself() -> None:
    assert provider_client(Provider()).max_retries == 0
