"""The command palette: what it offers, by keyboard, on a phone, and that it waits to be asked."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from ai_chat.models import Conversation
from credits.models import User
from tests.ai_chat.turns import make_turn
from tests.e2e.browser import LOOKS, Scheme, Size, Window, axe, fits, windows
from tests.factories import make_admin, make_model
from tests.live import Site


@pytest.fixture
def chat(browser: Browser, chat_site: Site) -> Iterator[Window]:
    with windows(browser, chat_site) as window:
        yield window


@pytest.fixture
def conversations(alice: User) -> list[Conversation]:
    titles = ["Crème brûlée", "Taxes of 2025"]
    made = [Conversation.objects.create(user=alice, title=title) for title in titles]
    make_turn(made[1], "What of VAT?", "It depends.")
    return made


def open_palette(page: Page) -> Locator:
    page.keyboard.press("ControlOrMeta+k")
    palette = page.get_by_role("dialog", name="Go to")
    expect(palette.get_by_role("combobox")).to_be_focused()
    return palette


def selected(page: Page) -> Locator:
    return page.locator("#palette [aria-selected=true]")


def test_a_chat_is_found_without_accents_and_opened_by_keyboard(
    chat: Window, alice: User, conversations: list[Conversation]
) -> None:
    page = chat(alice)
    page.goto("/usage")
    palette = open_palette(page)
    # The latest chats first, before anything is typed.
    expect(palette.get_by_role("option", name="Taxes of 2025")).to_be_visible()
    page.keyboard.type("creme")
    expect(selected(page)).to_have_text("Crème brûlée")
    expect(palette.get_by_role("option")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(str(conversations[0].pk)))


def test_a_chat_is_found_by_what_stands_in_it_and_opened_there(
    chat: Window, alice: User, conversations: list[Conversation]
) -> None:
    page = chat(alice)
    page.goto("/usage")
    palette = open_palette(page)
    page.keyboard.type("depends")
    option = palette.get_by_role("option", name="Taxes of 2025")
    expect(option).to_contain_text("It depends.")
    expect(option).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(page.locator(".turn:target")).to_contain_text("It depends.")


def test_nothing_is_fetched_before_it_is_open(
    chat: Window, alice: User, conversations: list[Conversation]
) -> None:
    page = chat(alice)
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url))
    page.goto("/usage")
    page.wait_for_load_state("networkidle")
    assert not [url for url in fetched if "conversations" in url]
    with page.expect_request("**/ai-chat/conversations?q="):
        open_palette(page)


def test_arrows_go_round_and_escape_gives_the_focus_back(chat: Window, alice: User) -> None:
    page = chat(alice)
    page.goto("/usage")
    back = page.get_by_role("link", name="Images")
    back.focus()
    palette = open_palette(page)
    combobox = palette.get_by_role("combobox")
    first = palette.get_by_role("option").first
    expect(selected(page)).to_have_text(re.compile("^New chat"))
    page.keyboard.press("ArrowUp")
    expect(selected(page)).to_have_text("Keyboard")
    page.keyboard.press("ArrowDown")
    expect(first).to_have_attribute("aria-selected", "true")
    assert combobox.get_attribute("aria-activedescendant") == first.get_attribute("id")
    page.keyboard.type("no such thing at all")
    expect(palette.get_by_role("status")).to_have_text("Nothing fits.")
    assert combobox.get_attribute("aria-activedescendant") is None
    page.keyboard.press("Escape")
    expect(palette).to_be_hidden()
    expect(back).to_be_focused()


def test_what_stood_there_before_is_not_opened_by_a_quick_enter(
    chat: Window, alice: User, conversations: list[Conversation]
) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    palette = open_palette(page)
    expect(palette.get_by_role("option", name="Taxes of 2025")).to_be_visible()
    page.route("**/ai-chat/conversations?q=usa*", lambda _: None)
    page.keyboard.type("usa")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/usage$"))


def test_a_model_is_picked_for_the_composer(chat: Window, alice: User) -> None:
    make_model("other", label="Another one")
    page = chat(alice)
    page.goto("/ai-chat")
    open_palette(page)
    page.keyboard.type("another")
    expect(selected(page)).to_contain_text("Another one")
    page.keyboard.press("Enter")
    expect(page.locator("#model")).to_have_value("other")
    expect(page.get_by_role("button", name="Model: Another one")).to_be_visible()
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_actions_are_offered_while_they_are_possible(
    chat: Window, alice: User, conversations: list[Conversation]
) -> None:
    page = chat(alice, permissions=["clipboard-read", "clipboard-write"])
    page.goto("/usage")
    palette = open_palette(page)
    copy = palette.get_by_role("option", name="Copy the last answer")
    expect(palette.get_by_role("option", name="Sign out")).to_be_visible()
    expect(copy).to_be_hidden()
    page.goto(f"/ai-chat/{conversations[1].pk}")
    open_palette(page)
    expect(palette.get_by_role("option", name="Stop the answer")).to_be_hidden()
    copy.click()
    expect(page.locator("#progress")).to_have_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == "It depends."
    open_palette(page)
    page.keyboard.type("sign out")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{chat.site.base_url}/")


def test_everybody_is_offered_the_pages_they_may_open(chat: Window, alice: User) -> None:
    admin = make_admin()
    offered = {}
    for user in (alice, admin):
        page = chat(user)
        page.goto("/usage")
        links = open_palette(page).locator("a[role=option]:not([data-found])")
        offered[user] = links.evaluate_all("links => links.map((each) => each.pathname)")
        client = chat.site.client(user)
        refused = [path for path in offered[user] if client.get(path).status_code != 200]
        assert not refused
    assert not [path for path in offered[alice] if path.startswith("/admin")]
    assert "/admin/audit" in offered[admin]


def test_it_says_when_chats_cannot_be_listed(chat: Window, alice: User) -> None:
    chat.allow("status of 503")
    page = chat(alice)
    page.route("**/ai-chat/conversations?q=*", lambda route: route.fulfill(status=503))
    page.goto("/usage")
    palette = open_palette(page)
    expect(palette.get_by_role("status")).to_have_text("Your chats cannot be listed just now.")
    expect(palette.get_by_role("option", name="Usage")).to_be_visible()


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_it_has_a_button_and_fits(
    chat: Window, alice: User, conversations: list[Conversation], size: Size, scheme: Scheme
) -> None:
    page = chat(alice, size=size, scheme=scheme)
    page.goto("/ai-chat")
    if size == "phone":
        page.get_by_role("button", name="Menu", exact=True).click()
    page.get_by_role("button", name="Go to…").click()
    palette = page.get_by_role("dialog", name="Go to")
    expect(palette.get_by_role("option", name="Taxes of 2025")).to_be_visible()
    axe(page)
    fits(page)
    palette.get_by_role("button", name="Close").click()
    expect(palette).to_be_hidden()
