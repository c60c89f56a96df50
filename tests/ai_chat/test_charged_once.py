"""A message is charged once: double clicks, retries, reloads, the back button, and crowds."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from credits.models import User
from tests.ai_chat.chat import Chat
from tests.factories import make_user, set_price
from tests.fakes.provider import FakeProvider
from tests.live import Site


def test_the_same_post_twenty_times_at_once_is_one_message(
    chat: Chat, provider: FakeProvider
) -> None:
    def send(_: int) -> str:
        return chat.send("Hello [[delay:0.05]]", key="one").receipt

    with ThreadPoolExecutor(20) as people:
        receipts = list(people.map(send, range(20)))
    assert receipts == ["1 credit"] * 20
    assert provider.completions_started == 1
    assert chat.balance == 99


def test_a_retry_after_the_end_shows_the_first_answer(chat: Chat, provider: FakeProvider) -> None:
    first = chat.send("Hello", key="again")
    second = chat.send("Hello", key="again")
    assert first.events[-1] == second.events[-1]
    assert provider.completions_started == 1
    assert chat.balance == 99


def test_the_key_of_another_message_is_refused(chat: Chat, provider: FakeProvider) -> None:
    chat.send("Hello", key="used")
    answer = chat.send("Something else", key="used")
    assert answer.status == 409
    assert "Send again for a new one" in answer.body
    assert provider.completions_started == 1
    assert chat.balance == 99


def test_without_javascript_the_form_returns_the_finished_answer(chat: Chat) -> None:
    form = {"message": "Hello", "model": "smollm2-135m", "key": "plain", "price": "1"}
    sent = chat.client.post("/ai-chat", data=form)
    assert sent.status_code == 302
    page = chat.client.get(sent.headers["location"])
    assert chat.turn.answer.split()[-1] in page.text
    assert ">1 credit</b>" in page.text
    # The reload of a POST that some browsers offer, and the back button's form sent again.
    assert chat.client.post("/ai-chat", data=form).headers["location"] == sent.headers["location"]
    assert chat.balance == 99


def test_without_javascript_a_refused_message_is_not_lost(chat: Chat) -> None:
    form = {"message": "x" * 9000, "model": "smollm2-135m", "key": "long", "price": "1"}
    page = chat.client.post("/ai-chat", data=form)
    assert page.status_code == 400
    assert "x" * 9000 in page.text
    assert "at most 8,000 characters" in page.text
    assert chat.balance == 100


def crowd(site: Site, user: User, people: int, price: int = 1) -> Counter[int]:
    """That many messages at the same moment; returns the statuses."""
    chat = Chat(site, user)

    def send(number: int) -> int:
        return chat.send("Hello", key=f"crowd-{number}", price=str(price)).status

    with ThreadPoolExecutor(people) as pool:
        return Counter(pool.map(send, range(people)))


def test_fifty_messages_at_once_are_charged_as_far_as_the_credits_go(
    chat_site: Site, provider: FakeProvider
) -> None:
    set_price("ai_text_chat", 3)
    user = make_user(credits=21)
    assert crowd(chat_site, user, 50, price=3) == {200: 7, 402: 43}
    chat = Chat(chat_site, user)
    assert (chat.charges(), chat.balance) == (7, 0)
    assert provider.completions_started == 7


def test_fifty_first_messages_at_once_find_no_balance_and_are_all_refused(
    chat_site: Site, provider: FakeProvider, carol: User
) -> None:
    assert crowd(chat_site, carol, 50) == {402: 50}
    assert provider.completions_started == 0


def test_twenty_first_free_messages_at_once_make_one_balance(
    chat_site: Site, provider: FakeProvider, carol: User
) -> None:
    set_price("ai_text_chat", 0)
    assert crowd(chat_site, carol, 20, price=0) == {200: 20}
    assert provider.completions_started == 20
    assert Chat(chat_site, carol).balance == 0
