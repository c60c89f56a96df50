"""Where things stand on the chat page: nothing on top of another, nothing out of the window."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from ai_chat.models import Conversation
from credits.models import User
from tests.ai_chat.turns import make_turn
from tests.e2e.browser import Window, fits, windows
from tests.live import Site

#: A recogniser that does nothing: the browser of the tests has none.
RECOGNISER = "window.SpeechRecognition = class extends EventTarget {};"


@pytest.fixture
def chat(browser: Browser, chat_site: Site) -> Iterator[Window]:
    with windows(browser, chat_site) as window:
        yield window


def box(page: Page, selector: str) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the last element that the selector names."""
    found = page.locator(selector).last.bounding_box()
    assert found, selector
    return (
        found["x"], found["y"], found["x"] + found["width"], found["y"] + found["height"]
    )  # fmt: skip


@pytest.mark.parametrize("width", [360, 768, 1360])
@pytest.mark.parametrize("title", ["Tides", "What the tides have to do with the moon " * 3])
def test_the_menu_of_a_chat_stays_in_the_window(
    chat: Window, alice: User, width: int, title: str
) -> None:
    conversation = Conversation.objects.create(user=alice, title=title[:120])
    page = chat(alice, viewport={"width": width, "height": 800})
    page.goto(f"/ai-chat/{conversation.pk}")
    page.locator("#conversation-menu summary").click()
    left, _, right, bottom = box(page, "#conversation-menu .sheet")
    assert left >= 0 and right <= width and bottom <= 800
    fits(page)


def test_editing_shows_the_turn_and_nothing_lies_on_the_note(chat: Window, alice: User) -> None:
    conversation = Conversation.objects.create(user=alice, title="Tides")
    turns = [make_turn(conversation, prompt=f"Question {n}", answer="Long. " * 900) for n in (1, 2)]
    page = chat(alice)
    page.add_init_script(RECOGNISER)
    page.goto(f"/ai-chat/{conversation.pk}")
    page.locator(f"#turn-{turns[0].pk}").get_by_role("link", name="Edit", exact=True).click()
    expect(page.get_by_label("Message")).to_be_focused()
    expect(page.locator(f"#turn-{turns[0].pk} .me")).to_be_in_viewport()
    assert box(page, "#dictate")[1] >= box(page, "#edited")[3]


def test_what_begins_a_chat_stands_in_one_row(chat: Window, alice: User) -> None:
    page = chat(alice, size="phone")
    page.goto("/ai-chat")
    instructions, temporary = box(page, "#instructions summary"), box(page, ".standing.begin")
    assert abs(instructions[1] - temporary[1]) < 4
    assert instructions[2] < temporary[0]
    page.locator("#instructions summary").click()
    assert box(page, "#instructions .card")[1] >= temporary[3]
    fits(page)
