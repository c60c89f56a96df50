"""Finding and keeping chats in a real browser, on a desktop and on a phone."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from ai_chat.models import Conversation, Folder
from credits.models import User
from tests.ai_chat.turns import make_turn
from tests.e2e.browser import LOOKS, Scheme, Size, Window, axe, fits, windows
from tests.live import Site

TOPICS = ["Tides", "Bread", "Kites", "Maps", "Bees", "Glass", "Rails", "Moss", "Ink", "Clay"]


@pytest.fixture
def chat(browser: Browser, chat_site: Site) -> Iterator[Window]:
    """Windows on a site that answers through the fake provider."""
    with windows(browser, chat_site) as window:
        yield window


def make_chats(user: User, many: int) -> list[Conversation]:
    """Chats of the last weeks, the latest first."""
    now = timezone.now()
    return [
        Conversation.objects.create(
            user=user,
            title=f"{TOPICS[number % 10]} {number}",
            active_at=now - timedelta(hours=9 * number),
        )
        for number in range(many)
    ]


def choose(page: Page, *names: str) -> None:
    for name in names:
        page.get_by_label(f"Choose {name}", exact=True).check()


def test_the_rail_goes_on_when_it_is_scrolled(chat: Window, alice: User) -> None:
    make_chats(alice, 95)
    page = chat(alice)
    page.goto("/ai-chat")
    links = page.locator("#conversation-list a[data-conversation]")
    expect(links).to_have_count(40)
    page.locator("#conversation-list .on").scroll_into_view_if_needed()
    expect(links).to_have_count(80)
    page.locator("#conversation-list .on").scroll_into_view_if_needed()
    expect(links).to_have_count(95)
    expect(page.locator("#conversation-list .on")).to_have_count(0)
    headings = page.locator("#conversation-list h2").all_text_contents()
    assert headings[:3] == ["Today", "Yesterday", "Previous 7 days"]
    assert len(headings) == len(set(headings))


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_a_search_jumps_to_the_place_in_an_answer(chat: Window, alice: User, size: Size) -> None:
    (conversation,) = make_chats(alice, 1)
    make_turn(conversation, "What lives there?", "Herons. " * 3)
    for number in range(60):
        make_turn(conversation, f"Question {number}", "Long answer. " * 30)
    page = chat(alice, size=size)
    page.goto("/ai-chat")
    if size == "phone":
        page.get_by_role("button", name="Menu", exact=True).click()
    page.get_by_label("Search chats").press_sequentially("HERÓNS liv")
    match = page.locator("#conversation-list .match")
    expect(match).to_have_count(1)
    expect(match.locator("mark").first).to_have_text("lives")
    match.click()
    expect(page.locator(":target")).to_contain_text("What lives there?")
    expect(page.locator(":target")).to_be_in_viewport()
    fits(page)


def test_chats_are_pinned_moved_and_archived_from_the_menu_by_keyboard(
    chat: Window, alice: User
) -> None:
    (conversation,) = make_chats(alice, 1)
    page = chat(alice)
    page.goto(f"/ai-chat/{conversation.pk}")
    page.locator("#conversation-menu summary").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Pin").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#conversation-list h2").first).to_have_text("Pinned")
    page.locator("#conversation-menu summary").click()
    axe(page)
    page.get_by_label("Folder").fill("Work")
    page.keyboard.press("Enter")
    expect(page.locator("#toasts")).to_contain_text("moved to “Work”")
    page.locator("#conversation-menu summary").click()
    page.get_by_role("button", name="Unpin").click()
    folder = page.locator("#conversation-list .folder")
    expect(folder.get_by_role("link", name="Tides 0")).to_be_visible()
    page.locator("#conversation-menu summary").click()
    page.get_by_role("button", name="Archive").click()
    expect(page.locator("#toasts")).to_contain_text("1 chat is archived")
    expect(page.locator("#conversation-list")).not_to_contain_text("Tides 0")
    page.get_by_role("link", name="Chats", exact=True).click()
    page.get_by_role("link", name="Archived").click()
    page.get_by_role("link", name="Tides 0").click()
    page.get_by_role("button", name="Bring it back").click()
    expect(page.locator("#conversation-list")).to_contain_text("Tides 0")


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_many_chats_are_chosen_and_deleted(
    chat: Window, alice: User, size: Size, scheme: Scheme
) -> None:
    chats = make_chats(alice, 45)
    Conversation.objects.filter(pk=chats[1].pk).update(
        folder=Folder.objects.create(user=alice, name="A folder with a rather long name"),
        pinned_at=timezone.now(),
    )
    page = chat(alice, size=size, scheme=scheme)
    page.goto("/ai-chat/all")
    delete = page.get_by_role("button", name="Delete…")
    expect(delete).to_be_disabled()
    choose(page, "Tides 0", "Bread 1")
    expect(page.locator("[data-many]")).to_have_text("2 chosen")
    axe(page)
    fits(page)
    page.get_by_label("All on this page").check()
    expect(page.locator("[data-many]")).to_have_text("40 chosen")
    delete.click()
    expect(page.locator("h1")).to_have_text("Delete 40 chats?")
    axe(page)
    fits(page)
    page.get_by_role("button", name="Delete 40 chats").click()
    expect(page.locator("#toasts")).to_contain_text("40 chats are deleted")
    expect(page.locator(".chats li")).to_have_count(5)
    assert Conversation.objects.count() == 5


def test_many_chats_are_deleted_without_scripts(chat: Window, alice: User) -> None:
    make_chats(alice, 3)
    page = chat(alice, javascript=False)
    page.goto("/ai-chat/all")
    choose(page, "Tides 0", "Kites 2")
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Delete 2 chats").click()
    expect(page.locator(".chats li")).to_have_count(1)


def test_a_temporary_chat_says_what_it_is_and_can_be_kept(chat: Window, alice: User) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    page.get_by_role("link", name="Temporary chat").click()
    expect(page.locator("#temporary")).to_contain_text("deleted a day after it begins")
    axe(page)
    page.get_by_label("Message").fill("Only for now [[tokens:3]]")
    page.get_by_role("button", name=re.compile("^Send")).click()
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    expect(page.locator("#conversation-list")).not_to_contain_text("Only for now")
    page.get_by_role("button", name="Keep this chat").click()
    expect(page.locator("#conversation-list")).to_contain_text("Only for now")
    expect(page.locator("#temporary")).to_have_count(0)
    assert Conversation.objects.get().expires_at is None


def test_a_chat_that_has_just_begun_can_be_pinned(chat: Window, alice: User) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    page.get_by_label("Message").fill("New one [[tokens:3]]")
    page.get_by_role("button", name=re.compile("^Send")).click()
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    page.locator("#conversation-menu summary").click()
    page.get_by_role("button", name="Pin").click()
    expect(page.locator("#toasts")).to_contain_text("1 chat is pinned")
    assert Conversation.objects.get().pinned_at is not None


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_a_folder_is_made_used_and_deleted(
    chat: Window, alice: User, size: Size, scheme: Scheme
) -> None:
    page = chat(alice, size=size, scheme=scheme)
    page.goto("/ai-chat/all")
    axe(page)
    page.get_by_text("New folder").click()
    page.get_by_label("Name").fill("Garden")
    fits(page)
    page.get_by_role("button", name="Create").click()
    expect(page.locator("h1")).to_have_text("Garden")
    axe(page)
    page.get_by_role("link", name="New chat here").click()
    page.get_by_label("Message").fill("Roses [[tokens:3]]")
    page.get_by_role("button", name=re.compile("^Send")).click()
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    page.goto("/ai-chat/all")
    expect(page.locator(".chats li")).to_contain_text("Garden")
    page.locator(".folders").get_by_role("link", name="Garden").click()
    page.get_by_role("link", name="Delete the folder…").click()
    page.get_by_role("button", name="Delete the folder").click()
    expect(page.locator(".chats li")).to_contain_text("Roses")
    assert not Folder.objects.exists()


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_what_is_found_is_read_page_by_page(
    chat: Window, alice: User, size: Size, scheme: Scheme
) -> None:
    (conversation,) = make_chats(alice, 1)
    for number in range(22):
        make_turn(conversation, f"Herons, part {number}", "Yes.")
    page = chat(alice, size=size, scheme=scheme)
    page.goto("/ai-chat/search?q=heron")
    page.get_by_label("Search chats").fill("herons part")
    page.keyboard.press("Enter")
    expect(page.locator(".match")).to_have_count(20)
    axe(page)
    fits(page)
    page.get_by_role("link", name="Older").click()
    expect(page.locator(".match")).to_have_count(2)
    page.goto("/ai-chat/search?q=nothing")
    expect(page.locator("main")).to_contain_text("No chat mentions “nothing”.")
