"""The button for a model that is priced by tokens: what the next message may take, and refusals of
what it no longer says."""

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client

from ai_chat.conversations.drafts import Draft
from ai_chat.conversations.history import history
from ai_chat.conversations.path import end_of
from ai_chat.models import Conversation
from config.text import text_of_size
from credits.exceptions import LimitReached
from credits.ledger import get_balance
from credits.models import AIModel, TokenPrice, UsageHistory, User
from credits.uses import Tokens, settle_use
from tests.ai_chat.turns import MODEL, make_turn, text_model
from tests.factories import make_limit, make_reserve, make_token_price, make_user

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def price(transactional_db: None) -> TokenPrice:
    """1 credit per 1,000 tokens that are read, 2 per 1,000 that are written, of which an answer has
    1,000 at most."""
    model = text_model(output_tokens=1000, output_least=100)
    return make_token_price(model, input=10**9, cached=10**8, cache_write=10**9, output=2 * 10**9,
                            reasoning=2 * 10**9)  # fmt: skip


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def part_for_text(html: str) -> str:
    return " ".join(html.partition('"offer for-text"')[2].partition("</div>")[0].split())


def button(user: User, *, place: str = "", draft: str = "") -> str:
    """The composer's part for messages, as a script asks for it."""
    headers = {"HX-Request": "true", "HX-Current-URL": f"http://testserver/ai-chat{place}"}
    values = {"model": MODEL, "draft": draft}
    return part_for_text(signed_in(user).get("/ai-chat/offer", values, headers=headers).text)


def test_the_page_says_what_a_message_may_take(alice: User, price: TokenPrice) -> None:
    shown = part_for_text(signed_in(alice).get("/ai-chat").text)
    assert 'Send <span class="price">up to 3 credits</span>' in shown
    assert f'name="price_version" value="{price.pk}"' in shown
    assert 'name="price"' not in shown
    assert "disabled" not in shown


def test_what_is_usual_is_said_once_it_is_known(alice: User, price: TokenPrice) -> None:
    for _ in range(10):
        reserve = make_reserve(alice, price.model)
        settle_use(charge_id=reserve.id, tokens=Tokens(30, 0, 0, 60, 0, "provider"))
    assert "up to 3 credits, usually about 0.11</span>" in button(alice)


def test_a_longer_message_and_a_longer_conversation_may_take_more(
    alice: User, bob: User, price: TokenPrice
) -> None:
    assert "up to 5 credits" in button(alice, draft="1000.2000")
    conversation = Conversation.objects.create(user=alice, title="Long")
    make_turn(conversation, "q" * 500, "é" * 1500)
    assert "up to 6 credits" in button(alice, place=f"/{conversation.pk}")
    assert "up to 8 credits" in button(alice, place=f"/{conversation.pk}", draft="1000.2000")
    assert "up to 3 credits" in button(bob, place=f"/{conversation.pk}")
    page = signed_in(alice).get(f"/ai-chat/{conversation.pk}").text
    assert "up to 6 credits" in part_for_text(page)


@pytest.mark.parametrize("draft", ["", "x", "9.", "-1.5", "1e3.4", "9" * 30 + ".1"])
def test_what_is_no_size_is_an_empty_message(alice: User, price: TokenPrice, draft: str) -> None:
    assert "up to 3 credits" in button(alice, draft=draft)


def test_sizes_are_those_of_what_would_be_sent(alice: User) -> None:
    conversation = Conversation.objects.create(user=alice, title="Sizes")
    for answer in ("plain", "ümläut", "漢字", "😀😀", "a😀é漢"):
        make_turn(conversation, answer, answer)
    model = text_model()
    draft = Draft(user_id=alice.pk, text="Next", place=end_of(conversation))
    for room in (100_000, 700):
        model.context_tokens = room
        whole = history(draft, model).messages
        sizes = history(draft, model, only_sizes=True).messages
        assert [measures(each["content"]) for each in whole] == [
            measures(each["content"]) for each in sizes
        ]


def measures(text: Any) -> tuple[int, int]:
    return len(text), len(text.encode())


def test_a_text_of_any_size_can_stand_for_another() -> None:
    for text in ("", "a", "é", "€", "😀", "aé€😀", "é" * 7, "😀" * 3 + "a"):
        assert measures(text_of_size(*measures(text))) == measures(text)
    assert measures(text_of_size(3, 1000)) == (3, 12)
    assert measures(text_of_size(3, 0)) == (3, 3)


def test_with_too_few_credits_the_button_is_off(price: TokenPrice) -> None:
    poor = make_user(credits=0)
    shown = button(poor)
    assert "For the shortest answer 1 credit has to be held and you have 0 credits left" in shown
    assert "disabled" in shown


def test_a_small_balance_says_where_the_answer_may_end(alice: User, price: TokenPrice) -> None:
    shown = button(make_user(credits=1))
    assert "up to 1 credit<" in shown
    assert "The answer may be cut at about 300 words: your balance pays for no more." in shown
    assert "disabled" not in shown
    make_limit(alice, 1)
    assert "300 words: the limit of 1 credit a day pays for no more." in button(alice)


def test_a_limit_that_leaves_nothing_turns_the_button_off(alice: User, price: TokenPrice) -> None:
    make_limit(alice, 0)
    shown = unescape(button(alice))
    assert "the limit of 0 credits a day leaves 0" in shown
    assert "disabled" in shown


def test_an_unchanged_button_is_not_sent_again(alice: User, price: TokenPrice) -> None:
    client = signed_in(alice)
    shown = re.findall(r'name="shown" value="([^"]*)"', client.get("/ai-chat").text)[0]
    again = {"model": MODEL, "shown": shown}
    assert client.get("/ai-chat/offer", again).status_code == 204
    assert client.get("/ai-chat/offer", {**again, "draft": "1000.2000"}).status_code == 200
    make_token_price(price.model, input=10**9, output=2 * 10**9, reasoning=2 * 10**9)
    assert client.get("/ai-chat/offer", again).status_code == 200


def sent(user: User, **form: str) -> tuple[int, str, str]:
    """Sends a form that is refused: the status, the problem, and the new button."""
    data = {"message": "Hello", "model": MODEL, "key": "k", **form}
    headers = {"Accept": "text/event-stream"}
    answer = signed_in(user).post("/ai-chat", data, headers=headers)
    problem = re.findall(r'id="problem"[^>]*>([^<]*)<', answer.text)[0]
    assert not UsageHistory.objects.filter(unit_cost__isnull=False).exists()
    return answer.status_code, problem, part_for_text(answer.text)


CHANGED = (
    "What this model costs has just changed. Nothing was charged. The button has the new price; "
    "send again if you agree."
)


def test_another_price_by_tokens_than_was_shown_is_refused(alice: User, price: TokenPrice) -> None:
    newer = make_token_price(price.model, input=10**9, output=4 * 10**9, reasoning=4 * 10**9)
    for version in (str(price.pk), "9" * 30, "x"):
        status, problem, shown = sent(alice, price_version=version)
        assert (status, problem) == (409, CHANGED)
        assert f'name="price_version" value="{newer.pk}"' in shown
        assert "up to 5 credits" in shown


def test_another_way_of_pricing_than_was_shown_is_refused(alice: User, price: TokenPrice) -> None:
    status, problem, shown = sent(alice, price="1")
    assert (status, problem) == (409, CHANGED)
    assert "price_version" in shown
    nothing = dict.fromkeys(("input", "cached", "cache_write", "output", "reasoning"))
    make_token_price(price.model, **nothing)
    for version in (str(price.pk), "x"):
        status, problem, shown = sent(alice, price_version=version)
        assert (status, problem) == (409, CHANGED)
        assert 'name="price" value="1"' in shown


def test_to_go_on_with_a_cut_answer_has_its_own_price(alice: User, price: TokenPrice) -> None:
    conversation = Conversation.objects.create(user=alice, title="Cut")
    make_turn(conversation, "Tell me", "x" * 2000, cut="length")
    page = signed_in(alice).get(f"/ai-chat/{conversation.pk}").text
    form = page.partition('class="continue"')[2].partition("</form>")[0]
    assert f'name="price_version" value="{price.pk}"' in form
    assert "Continue · up to 5 credits</button>" in form


def test_a_limit_that_was_reached_meanwhile_is_said(alice: User, price: TokenPrice) -> None:
    make_limit(alice, 0)
    status, problem, _ = sent(alice, price_version=str(price.pk))
    assert status == LimitReached.status
    assert "the limit of 0 credits a day" in problem
    assert get_balance(user_id=alice.pk).remaining == 100
    assert AIModel.objects.get(name=MODEL).active
