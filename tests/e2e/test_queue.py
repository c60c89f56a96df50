"""The next message is written while an answer comes, and sent when it has ended well."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from ai_chat.models import Turn
from credits.ledger import get_balance
from credits.models import User
from tests.e2e.browser import LOOKS, Scheme, Size, Window, axe, fits, windows
from tests.e2e.test_chat import send
from tests.factories import make_user
from tests.fakes.provider import FakeProvider
from tests.live import Site
from tests.waiting import wait_for

#: An answer that goes on until it is stopped, and one that begins when its gate is opened.
LONG = "Go on [[tokens:600]] [[delay:0.1]]"
GATED = "Go on [[gate]]"


@pytest.fixture
def chat(browser: Browser, chat_site: Site) -> Iterator[Window]:
    """Windows on a site that answers through the fake provider."""
    with windows(browser, chat_site) as window:
        window.allow("40[029]")
        yield window


def queue(page: Page, *texts: str) -> Any:
    """Queues messages while an answer is written."""
    expect(page.locator(".live")).to_have_count(1)
    for text in texts:
        page.get_by_label("Message").fill(text)
        page.keyboard.press("Enter")
        expect(page.locator(".queued").last).to_contain_text(text)
    rows = page.locator(".queued")
    expect(rows).to_have_count(len(texts))
    return rows


def receipts(page: Page) -> Any:
    return page.locator(".receipt b")


def prompts() -> list[str]:
    return [*Turn.objects.order_by("created_at").values_list("prompt", flat=True)]


def test_messages_are_queued_and_sent_in_order(
    chat: Window, alice: User, provider: FakeProvider
) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    send(page, GATED)
    rows = queue(page, "Second", "Third")
    expect(rows.first).to_contain_text("Queued · sends when this answer ends · about 1 credit")
    assert get_balance(user_id=alice.pk)[:2] == (99, 1), "Nothing of them is held."
    expect(page.get_by_label("Message")).to_have_value("")
    provider.open_gate()
    expect(receipts(page)).to_have_text(["1 credit"] * 3)
    expect(page.locator("#queue")).to_be_hidden()
    assert prompts() == [GATED, "Second", "Third"]
    assert get_balance(user_id=alice.pk)[:2] == (97, 0)
    expect(page.locator("#problem")).to_be_hidden()


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_after_a_stop_they_stay_and_can_be_edited_cancelled_and_sent(
    chat: Window, alice: User, size: Size, scheme: Scheme
) -> None:
    page = chat(alice, size=size, scheme=scheme)
    page.goto("/ai-chat")
    send(page, LONG)
    expect(page.locator(".live")).to_contain_text("word")
    for text in ("Second", "Third", "Fourth"):
        page.get_by_label("Message").fill(text)
        page.get_by_role("button", name=re.compile("^Send")).click()
        expect(page.locator(".queued").last).to_contain_text(text)
    rows = page.locator(".queued")
    axe(page)
    fits(page)
    page.locator(".stop").click()
    expect(rows.first).to_contain_text("Queued · not sent: you stopped the answer")
    axe(page)
    rows.nth(1).get_by_role("button", name="Edit").click()
    expect(page.get_by_label("Message")).to_have_value("Third")
    expect(rows).to_have_count(2)
    rows.nth(1).get_by_role("button", name="Cancel").click()
    expect(rows).to_have_count(1)
    assert len(prompts()) == 1
    rows.first.get_by_role("button", name="Send now").click()
    expect(receipts(page)).to_have_count(2)
    assert prompts() == [LONG, "Second"]
    expect(page.get_by_label("Message"), "It is still being written.").to_have_value("Third")


def test_after_a_failure_they_stay(chat: Window, alice: User) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    send(page, "[[fail:cut:30]] [[delay:0.1]]")
    rows = queue(page, "Second")
    expect(rows.first).to_contain_text("not sent: the answer failed")
    assert len(prompts()) == 1


def test_with_too_few_credits_they_stay(chat: Window, provider: FakeProvider) -> None:
    poor = make_user("poor@example.com", credits=2)
    page = chat(poor)
    page.goto("/ai-chat")
    send(page, GATED)
    rows = queue(page, "Second", "Third")
    provider.open_gate()
    expect(receipts(page)).to_have_count(2)
    expect(rows.first).to_contain_text("not sent: see below")
    expect(rows.first).to_contain_text("Third")
    assert prompts() == [GATED, "Second"]


def test_they_survive_a_reload_and_disturb_no_other_window(
    chat: Window, alice: User, provider: FakeProvider
) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    send(page, GATED)
    queue(page, "Second")
    page.reload()
    expect(page.locator(".queued")).to_contain_text("Second")
    other = page.context.new_page()
    other.goto(page.url)
    expect(other.locator(".live")).to_have_count(1)
    expect(other.locator(".queued")).to_have_count(0)
    other.get_by_label("Message").fill("Mine")
    other.keyboard.press("Enter")
    expect(other.locator("#problem")).to_contain_text("An answer is being written.")
    expect(other.get_by_label("Message")).to_have_value("Mine")
    provider.open_gate()
    expect(receipts(page)).to_have_count(2)
    assert prompts()[1:] == ["Second"]
    expect(page.locator(".queued")).to_have_count(0)


def test_what_was_left_when_the_answer_ended_is_not_sent_by_itself(
    chat: Window, alice: User
) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    send(page, LONG)
    queue(page, "Second")
    address = page.url
    page.goto("/account")
    page.request.post(f"/ai-chat/turns/{Turn.objects.get().pk}/stop", headers={
        "X-CSRFToken": page.locator("[name=csrfmiddlewaretoken]").first.input_value(),
        "Referer": address,
    })  # fmt: skip
    wait_for(lambda: not Turn.objects.get().is_running, "the answer to stop")
    page.goto(address)
    expect(page.locator(".queued")).to_contain_text("the answer ended while this page was closed")
    assert len(prompts()) == 1
    page.get_by_role("button", name="Send now").click()
    expect(page.locator(".queued")).to_have_count(0)
    expect(receipts(page)).to_have_count(2)
