"""The metered turn in a real browser, on a desktop and on a phone."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from ai_chat.models import Turn
from credits.ledger import get_balance, release_charge
from credits.models import User
from tests.e2e.browser import CHANGED, LOOKS, Scheme, Size, Window, axe, fits, wait_for_any, windows
from tests.factories import make_charge, make_user, set_price
from tests.live import Site

SIZES: list[Size] = ["desktop", "phone"]


@pytest.fixture
def chat(browser: Browser, chat_site: Site) -> Iterator[Window]:
    """Windows on a site that answers through the fake provider."""
    with windows(browser, chat_site) as window:
        yield window


def send(page: Page, message: str) -> None:
    page.get_by_label("Message").fill(message)
    page.get_by_role("button", name=re.compile("^Send")).click()


@pytest.mark.parametrize("size", SIZES)
def test_an_answer_streams_in_and_its_receipt_leads_to_the_statement(
    chat: Window, alice: User, size: Size
) -> None:
    page = chat(alice, size=size)
    page.goto("/ai-chat")
    expect(page.get_by_role("button", name="Send 1 credit")).to_be_enabled()
    send(page, "Tell me about the sea [[tokens:40]] [[delay:0.1]]")
    shown = page.locator("#conversation-list [aria-current=page]")
    expect(shown).to_contain_text("Tell me about the sea")
    expect(page.locator(".live .tail")).to_contain_text("word3")
    expect(page.locator("#meter strong")).to_have_text("99")
    expect(page.locator("#meter")).to_contain_text("1 held")
    expect(page.locator("h1")).to_contain_text("Tell me about the sea")
    expect(page.locator(".live .tail")).to_contain_text("word12")
    expect(page.locator(".md")).to_contain_text("word40")
    receipt = page.locator(".receipt")
    expect(receipt.locator("b")).to_have_text("1 credit")
    expect(page.locator("#meter")).not_to_contain_text("held")
    expect(page).to_have_url(re.compile("/ai-chat/[0-9a-f-]{36}$"))
    expect(page.get_by_label("Message")).to_have_value("")
    fits(page)
    receipt.get_by_role("link").click()
    expect(page).to_have_url(re.compile(r"/usage\?row="))
    page.locator(":target").get_by_role("link", name="Text chat").click()
    expect(page.locator(":target")).to_contain_text("Tell me about the sea")


@pytest.mark.parametrize("size", SIZES)
def test_a_failure_is_refunded_before_ones_eyes(chat: Window, alice: User, size: Size) -> None:
    page = chat(alice, size=size)
    page.goto("/ai-chat")
    send(page, "A story [[fail:cut:5]]")
    receipt = page.locator(".receipt.back")
    expect(receipt).to_contain_text("Refunded 1 credit")
    expect(receipt).to_contain_text("the connection broke before the end")
    expect(page.locator(".md")).to_contain_text("word5")
    expect(page.locator("#meter strong")).to_have_text("100")
    page.reload()
    expect(page.locator(".receipt.back")).to_contain_text("Refunded 1 credit")


@pytest.mark.parametrize("size", SIZES)
def test_running_out_of_credits_turns_the_button_off_and_says_why(chat: Window, size: Size) -> None:
    user = make_user("low@example.com", credits=1)
    page = chat(user, size=size)
    page.goto("/ai-chat")
    send(page, "The last one")
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    expect(page.get_by_role("button", name=re.compile("^Send"))).to_be_disabled()
    expect(page.locator("#offer")).to_contain_text("you have 0 credits left")
    fits(page)
    page.locator("#offer").get_by_role("link", name="See the plans").click()
    expect(page).to_have_url(re.compile("/pricing$"))


@pytest.mark.parametrize("size", SIZES)
def test_an_answer_can_be_stopped(chat: Window, alice: User, size: Size) -> None:
    page = chat(alice, size=size)
    page.goto("/ai-chat")
    send(page, "Go on [[tokens:600]] [[delay:0.1]]")
    expect(page.locator(".live .tail")).to_contain_text("word5")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".receipt")).to_contain_text("stopped by you")
    expect(page.locator("#meter strong")).to_have_text("99")


@pytest.mark.parametrize("size", SIZES)
def test_a_reload_in_the_middle_follows_the_same_answer(
    chat: Window, alice: User, size: Size
) -> None:
    page = chat(alice, size=size)
    page.goto("/ai-chat")
    send(page, "Long [[tokens:50]] [[delay:0.1]]")
    expect(page.locator(".live .tail")).to_contain_text("word5")
    page.reload()
    expect(page.locator(".live .tail")).to_contain_text("word5")
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    expect(page.locator(".md")).to_contain_text("word50")
    assert Turn.objects.count() == 1
    assert get_balance(user_id=alice.pk).remaining == 99


def test_a_double_click_and_the_back_button_charge_once(chat: Window, alice: User) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    page.get_by_label("Message").fill("Twice? [[tokens:10]] [[delay:0.05]]")
    page.get_by_role("button", name=re.compile("^Send")).dblclick()
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    page.goto("/usage")
    page.go_back()
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    assert Turn.objects.count() == 1
    assert get_balance(user_id=alice.pk).remaining == 99


def test_markdown_is_shown_and_nothing_hostile_runs(chat: Window, alice: User) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    send(
        page,
        "[[echo]] **bold** <script>document.title='hacked'</script> "
        "<img src=x onerror=alert(1)> ![x](https://evil.example/?q=1) [link](javascript:alert(1))",
    )
    answer = page.locator(".it .md")
    expect(answer.locator("strong")).to_have_text("bold")
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    assert answer.locator("img, script").count() == 0
    assert answer.locator("a[href^='javascript']").count() == 0
    assert page.title() != "hacked"


def test_a_raised_price_is_asked_for_before_it_is_charged(chat: Window, alice: User) -> None:
    page = chat(alice)
    chat.allow("409")
    page.goto("/ai-chat")
    set_price("ai_text_chat", 4)
    send(page, "Still one?")
    expect(page.get_by_role("alert")).to_contain_text("The price is now 4 credits")
    expect(page.get_by_label("Message")).to_have_value("Still one?")
    assert get_balance(user_id=alice.pk).remaining == 100
    page.get_by_role("button", name="Send 4 credits").click()
    expect(page.locator(".receipt b")).to_have_text("4 credits")
    assert get_balance(user_id=alice.pk).remaining == 96


def test_a_conversation_is_renamed_searched_and_deleted(chat: Window, alice: User) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    send(page, "About lighthouses")
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    page.reload()
    page.locator(".more-menu summary").click()
    page.get_by_label("Title").fill("Fog and light")
    page.get_by_role("button", name="Rename").click()
    expect(page.locator("h1")).to_have_text("Fog and light")
    page.get_by_label("Search chats").fill("lighthouses")
    expect(page.locator("#conversation-list a")).to_have_text(["Fog and light"])
    page.get_by_label("Search chats").fill("nothing like it")
    expect(page.locator("#conversation-list")).to_contain_text("No chat mentions")
    page.locator(".more-menu summary").click()
    page.get_by_role("link", name="Delete…").click()
    axe(page)
    page.get_by_role("button", name="Delete").click()
    expect(page.locator("#toasts")).to_contain_text("The conversation is deleted")
    assert Turn.objects.count() == 0
    assert get_balance(user_id=alice.pk).remaining == 99


def test_the_keyboard_sends_stops_and_closes(chat: Window, alice: User) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    message = page.get_by_label("Message")
    expect(message).to_be_focused()
    page.keyboard.type("Go on [[tokens:600]] [[delay:0.1]]")
    page.keyboard.press("Enter")
    expect(page.locator(".live .tail")).to_contain_text("word5")
    expect(page.locator("#progress")).to_have_text("The answer is being written.")
    menu = page.locator("#conversation-menu")
    menu.locator("summary").press("Enter")
    expect(menu.get_by_label("Title")).to_have_value(re.compile("^Go on"))
    page.keyboard.press("Escape")
    expect(menu.get_by_label("Title")).to_be_hidden()
    expect(menu.locator("summary")).to_be_focused()
    expect(page.get_by_role("button", name="Stop"), "That Escape was the menu's.").to_be_visible()
    page.get_by_role("button", name="Stop").focus()
    page.keyboard.press("Escape")
    expect(page.locator(".receipt")).to_contain_text("stopped by you")
    expect(message).to_be_focused()
    expect(page.locator("#progress")).to_contain_text("1 credit, stopped by you")
    menu.locator("summary").click()
    menu.get_by_label("Title").fill("Numbers")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Numbers")


def test_a_reader_who_scrolls_up_is_left_in_peace(chat: Window, alice: User) -> None:
    page = chat(alice, viewport={"width": 500, "height": 500})
    page.goto("/ai-chat")
    send(page, "Go on [[tokens:900]] [[delay:0.02]]")
    expect(page.locator(".live .tail")).to_contain_text("word200")
    page.mouse.move(250, 200)
    page.mouse.wheel(0, -300)
    expect(page.locator("#latest")).to_be_visible()
    before = page.evaluate("scrollY")
    expect(page.locator(".live .tail")).to_contain_text("word300")
    assert page.evaluate("scrollY") == before
    page.get_by_role("button", name="Jump to the latest").click()
    expect(page.locator(".live .tail")).to_contain_text("word500")
    expect(page.locator("#latest")).to_be_hidden()
    expect(page.locator(".receipt")).to_be_in_viewport()
    page.keyboard.press("Escape")
    expect(page.locator(".receipt b")).to_have_text("1 credit")


def test_answers_are_copied_and_failed_questions_asked_again(chat: Window, alice: User) -> None:
    page = chat(alice, permissions=["clipboard-read", "clipboard-write"])
    page.goto("/ai-chat")
    send(page, "[[echo]] **Look**")
    page.get_by_role("button", name="Copy the answer").click()
    expect(page.locator("#progress")).to_have_text("Copied.")
    Turn.objects.update(answer="Look:\n\n```\nx = 1\n```\n\nThat is all.")
    page.reload()
    read = "navigator.clipboard.readText()"
    page.get_by_role("button", name="Copy the code").click()
    expect(page.locator("#progress")).to_have_text("Copied.")
    assert page.evaluate(read) == "x = 1"
    page.get_by_role("button", name="Copy the answer").click()
    expect(page.locator(".receipt .copy")).to_have_class(re.compile("done"))
    assert re.fullmatch(r"Look:\s+x = 1\s+That is all\.", page.evaluate(read))
    send(page, "A story [[fail:cut:5]]")
    page.get_by_role("button", name="Ask again").click()
    expect(page.get_by_label("Message")).to_have_value("A story [[fail:cut:5]]")
    expect(page.get_by_label("Message")).to_be_focused()
    axe(page)


def test_without_javascript_the_answer_comes_with_the_next_page(chat: Window, alice: User) -> None:
    page = chat(alice, javascript=False)
    page.goto("/ai-chat")
    send(page, "No script here")
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    expect(page.locator("#meter strong")).to_have_text("99")


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_the_chat_is_accessible_empty_writing_and_refunded(
    chat: Window, alice: User, size: Size, scheme: Scheme
) -> None:
    page = chat(alice, size=size, scheme=scheme)
    page.goto("/ai-chat")
    axe(page)
    send(page, "Go on [[tokens:600]] [[delay:0.1]]")
    expect(page.locator(".live .tail")).to_contain_text("word5")
    axe(page)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".receipt")).to_contain_text("stopped by you")
    send(page, "A story [[fail:cut:5]]")
    expect(page.locator(".receipt.back")).to_be_visible()
    axe(page)
    fits(page)
    page.goto("/ai-chat/conversations?q=Go")
    expect(page.locator(".listing a")).to_have_count(1)
    axe(page)
    fits(page)


def test_a_refund_that_comes_while_the_button_is_asked_for_turns_it_on(
    chat: Window, alice: User
) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    button = page.get_by_role("button", name=re.compile("^Send"))
    asked: list[Route] = []
    page.route("**/ai-chat/offer*", lambda r: r.continue_() if asked else asked.append(r))
    charge = make_charge(alice, 100, hold=True)
    page.evaluate(CHANGED)
    wait_for_any(page, asked)
    stale = asked[0].fetch()
    release_charge(charge_id=charge.id, reason="provider_error")
    page.evaluate(CHANGED)
    asked[0].fulfill(response=stale)
    page.wait_for_timeout(300)
    expect(button).to_be_enabled()
