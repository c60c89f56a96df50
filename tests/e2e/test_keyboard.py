"""Keyboard shortcuts, the list of them, and the switch for those of one key."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from ai_chat.models import Conversation
from credits.models import User
from tests.ai_chat.turns import make_turn
from tests.e2e.browser import LOOKS, Scheme, Size, Window, axe, fits, windows
from tests.e2e.test_chat import send
from tests.factories import make_admin
from tests.live import Site


@pytest.fixture
def chat(browser: Browser, chat_site: Site) -> Iterator[Window]:
    with windows(browser, chat_site) as window:
        yield window


@pytest.fixture
def address(alice: User) -> str:
    """The page of a conversation with four turns, each higher than the window."""
    conversation = Conversation.objects.create(user=alice, title="Long")
    for number in range(4):
        make_turn(conversation, f"Question {number}", f"Answer {number}\n\n" + "Line.\n\n" * 40)
    return f"/ai-chat/{conversation.pk}"


def leave_field(page: Page) -> None:
    page.evaluate("document.activeElement.blur()")


def test_a_question_mark_lists_the_shortcuts_and_escape_closes_the_list(
    chat: Window, alice: User
) -> None:
    page = chat(alice)
    page.goto("/usage")
    page.keyboard.press("?")
    shown = page.get_by_role("dialog", name="Keyboard")
    expect(shown.get_by_role("row", name="Ctrl Shift O Begin a new chat")).to_be_visible()
    page.keyboard.press("Escape")
    expect(shown).to_be_hidden()


def test_what_is_typed_is_no_shortcut(chat: Window, alice: User) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    message = page.get_by_label("Message")
    message.press_sequentially("Why? And/or")
    expect(message).to_have_value("Why? And/or")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_shortcuts_of_one_key_can_be_switched_off(chat: Window, alice: User) -> None:
    page = chat(alice)
    page.goto("/usage")
    page.keyboard.press("?")
    page.get_by_role("checkbox", name="Shortcuts of one key").uncheck()
    page.keyboard.press("Escape")
    page.reload()
    page.keyboard.press("?")
    page.keyboard.press("/")
    expect(page.get_by_role("dialog")).to_have_count(0)
    # The list is reached otherwise, and what takes a second key still works.
    page.get_by_role("link", name="Keyboard shortcuts").click()
    box = page.get_by_role("checkbox", name="Shortcuts of one key")
    expect(box).not_to_be_checked()
    box.check()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()


def test_the_admins_keys_are_listed_there_and_switched_off_with_the_others(chat: Window) -> None:
    page = chat(make_admin())
    page.goto("/admin")
    page.keyboard.press("?")
    shown = page.get_by_role("dialog", name="Keyboard")
    expect(shown.get_by_role("row", name="Next and previous row")).to_be_visible()
    axe(page)
    page.get_by_role("checkbox", name="Shortcuts of one key").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("l")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page).to_have_url(re.compile("/admin$"))


def test_the_search_gets_the_focus(chat: Window, alice: User) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    page.keyboard.press("ControlOrMeta+/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    leave_field(page)
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    expect(page.get_by_role("searchbox")).to_have_value("")
    # A page without one has the palette.
    page.goto("/account")
    page.keyboard.press("/")
    expect(page.get_by_role("combobox", name="Go to")).to_be_focused()


def test_a_new_chat_and_a_copy_of_the_last_answer(chat: Window, alice: User, address: str) -> None:
    page = chat(alice, permissions=["clipboard-read", "clipboard-write"])
    page.goto(address)
    page.keyboard.press("ControlOrMeta+Shift+C")
    expect(page.locator("#progress")).to_have_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()").startswith("Answer 3\n")
    page.keyboard.press("ControlOrMeta+Shift+O")
    expect(page).to_have_url(re.compile("/ai-chat$"))


def test_the_focus_goes_from_question_to_question(chat: Window, alice: User, address: str) -> None:
    page = chat(alice)
    page.goto(address)
    turns = page.locator(".turn")
    # From the end of the last answer, and out of an empty field.
    expect(page.get_by_label("Message")).to_be_focused()
    page.keyboard.press("Alt+ArrowUp")
    expect(turns.nth(2)).to_be_focused()
    expect(turns.nth(2).locator(".me")).to_be_in_viewport()
    page.keyboard.press("Alt+ArrowUp")
    page.keyboard.press("Alt+ArrowUp")
    page.keyboard.press("Alt+ArrowUp")
    expect(turns.nth(0)).to_be_focused()
    page.keyboard.press("Alt+ArrowDown")
    expect(turns.nth(1)).to_be_focused()


def test_the_arrows_stay_a_texts_own(chat: Window, alice: User, address: str) -> None:
    page = chat(alice)
    page.goto(address)
    message = page.get_by_label("Message")
    message.fill("Two\nlines")
    page.keyboard.press("Alt+ArrowUp")
    expect(message).to_be_focused()


def test_escape_closes_a_dialog_before_it_stops_an_answer(chat: Window, alice: User) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    send(page, "Go on [[tokens:600]] [[delay:0.1]]")
    expect(page.locator(".live .tail")).to_contain_text("word2")
    page.keyboard.press("ControlOrMeta+K")
    expect(page.get_by_role("option", name="Stop the answer")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".receipt")).to_contain_text("stopped by you")


def test_letters_of_other_keyboards_count_by_their_place(chat: Window, alice: User) -> None:
    page = chat(alice)
    page.goto("/usage")
    page.evaluate("""document.body.dispatchEvent(new KeyboardEvent("keydown",
        { key: "л", code: "KeyK", ctrlKey: true, bubbles: true, cancelable: true }))""")
    expect(page.get_by_role("dialog", name="Go to")).to_be_visible()


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_the_list_is_a_page_too_without_scripts(
    chat: Window, alice: User, size: Size, scheme: Scheme
) -> None:
    page = chat(alice, size=size, scheme=scheme)
    page.goto("/help/keyboard")
    expect(page.get_by_role("heading", name="Keyboard", level=1)).to_be_visible()
    axe(page)
    fits(page)
    plain = chat(javascript=False, size=size, scheme=scheme)
    plain.goto("/help/keyboard")
    expect(plain.get_by_role("row", name="Begin a new chat")).to_be_visible()
    # A switch that would do nothing is not there.
    expect(plain.get_by_role("checkbox")).to_have_count(0)
    fits(plain)
