"""In one conversation one answer is written at a time: the next would be told half of it."""

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice

import pytest

from ai_chat.models import Conversation, Turn
from credits.models import User
from credits.reasons import Reason
from tests.ai_chat.api.client import Program
from tests.ai_chat.chat import Chat
from tests.clock import Clock
from tests.factories import make_charge
from tests.fakes.provider import FakeProvider
from tests.live import Site


def test_a_second_tab_is_refused_while_the_first_ones_answer_is_written(
    chat: Chat, provider: FakeProvider
) -> None:
    chat.send("Hello")
    path = f"/ai-chat/{chat.turn.conversation_id}"
    with chat.sending("[[gate]]", path=path) as response:
        lines = response.iter_lines()
        list(islice(lines, 1))
        refused = chat.send("Me too", path=path)
        assert (refused.status, chat.balance) == (409, 98)
        assert refused.problem.startswith("An answer is still being written")
        page = chat.client.post(path, data={"message": "<Me> too", "price": "1"})
        assert page.status_code == 409, "Without scripts it is the page, with the text."
        assert re.search("<textarea[^>]*>&lt;Me&gt; too</textarea>", page.text)
        assert "Wait for its end or stop it; nothing was charged." in page.text
        assert f'action="/ai-chat/turns/{chat.turn.pk}/stop"' in page.text
        elsewhere = chat.send("Another conversation")
        assert elsewhere.receipt == "1 credit"
        images = chat.client.post(path, data={"message": "A tree", "mode": "image"})
        assert images.status_code == 302, "Images are made beside an answer."
        provider.open_gate()
        list(lines)
    assert chat.send("Now?", path=path).receipt == "1 credit"


@pytest.mark.parametrize("known", [True, False])
def test_of_many_at_once_exactly_one_is_charged(
    program: Program, provider: FakeProvider, known: bool
) -> None:
    if known:
        program.ask("Hello", id="chat-1")
    provider.reset()
    before = program.balance
    with ThreadPoolExecutor(12) as pool:
        sent = [pool.submit(program.ask, "[[gate]]", id="chat-1") for _ in range(12)]
        refused = [each.result() for each in islice(as_completed(sent), 11)]
        provider.open_gate()
        answers = [each.result() for each in sent]
    assert {answer.status_code for answer in refused} == {409}
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 11}
    assert (refused[0].json()["error"], refused[0].headers["Retry-After"]) == ("turn_running", "2")
    assert program.balance == before - 1
    assert (Conversation.objects.count(), provider.completions_started) == (1, 1)


def test_a_repeated_request_is_answered_all_the_same(
    program: Program, provider: FakeProvider
) -> None:
    first = program.ask("Hello", key="k", id="chat-1").json()
    with program.streaming("[[gate]]", id="chat-1") as response:
        lines = response.iter_lines()
        next(lines)
        again = program.ask("Hello", key="k", id="chat-1")
        assert (again.status_code, again.json()["text"]) == (200, first["text"])
        assert program.ask("Hello", key="l", id="chat-1").json()["error"] == "turn_running"
        provider.open_gate()
        list(lines)


def test_an_answer_whose_process_died_stands_in_nobodys_way(
    chat_site: Site, alice: User, clock: Clock
) -> None:
    program = Program(chat_site, alice)
    conversation = Conversation.objects.create(user=alice, title="", external_id="chat-1")
    turn = Turn.objects.create(
        user=alice, conversation=conversation, model="m", prompt="Hi", answer="Half",
        charge_id=make_charge(alice, hold=True).id,
    )  # fmt: skip
    Conversation.objects.filter(pk=conversation.pk).update(current=turn.pk)
    assert program.ask("Again", id="chat-1").status_code == 409
    clock.move(days=1)
    assert program.ask("Again", id="chat-1").status_code == 200
    assert program.client.get(f"/ai-chat/{conversation.pk}").status_code == 200
    turn.refresh_from_db()
    assert turn.failure == Reason.LEASE_EXPIRED
