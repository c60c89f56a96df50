"""Streams and the database: an open stream holds no connection while it waits."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from credits.models import Hold, User
from tests.ai_chat.chat import Chat
from tests.factories import make_user
from tests.fakes.provider import FakeProvider
from tests.live import Site
from tests.waiting import wait_for


def test_forty_streams_share_a_pool_of_four_and_pages_answer_meanwhile(
    start_site: Callable[..., Site], provider: FakeProvider, alice: User
) -> None:
    site = start_site(
        OPENAI_BASE_URL=provider.base_url,
        WEB_WORKERS="1",
        DATABASE_POOL_SIZE="4",
    )
    people = [Chat(site, make_user(credits=1)) for _ in range(40)]

    def send(person: Chat) -> str:
        return person.send("[[gate]]").receipt

    with ThreadPoolExecutor(40) as pool:
        answers = pool.map(send, people)
        wait_for(lambda: Hold.objects.count() == 40, "40 streams to be open")
        chat = Chat(site, alice)
        for path in ("/ai-chat", "/usage", "/credits/balance", "/readyz"):
            assert chat.client.get(path).status_code == 200, path
        assert Hold.objects.count() == 40
        provider.open_gate()
        assert list(answers) == ["1 credit"] * 40


def test_every_token_arrives_and_events_are_at_most_ten_a_second(chat: Chat) -> None:
    answer = chat.send("[[tokens:300]] [[delay:0.005]]")
    turn = chat.turn
    assert len(turn.answer.split()) == 300
    assert turn.seconds_taken
    assert answer.names.count("tail") <= 10 * turn.seconds_taken + 2, (
        "the first, and one after the end"
    )
    assert turn.answer.split()[-1] in answer.events[-1][1]


def test_a_reload_in_the_middle_follows_to_the_end_from_any_process(chat: Chat) -> None:
    with chat.sending("[[tokens:40]] [[delay:0.05]]") as response:
        pieces = response.iter_bytes()  # Kept: httpx closes the response when it is let go.
        next(pieces)
        turn = chat.turn
        with ThreadPoolExecutor(3) as viewers:
            followed = list(viewers.map(lambda _: chat.follow(turn), range(3)))
    for answer in followed:
        assert answer.names[0] == "turn" and answer.names[-1] == "end"
        assert answer.receipt == "1 credit"
        assert chat.turn.answer.split()[-1] in answer.events[-1][1]
    assert chat.balance == 99
