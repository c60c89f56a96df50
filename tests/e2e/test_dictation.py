"""Dictation. Headless Chromium hears nothing: a scripted recognition stands for the browser's."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from credits.models import User
from tests.e2e.browser import LOOKS, Scheme, Size, Window, axe, fits, windows
from tests.live import Site

RECOGNITION = """
    class Recognition extends EventTarget {
        start() { window.heard = this; this.state = "listening"; }
        stop() { this.state = "stopped"; this.dispatchEvent(new Event("end")); }
        abort() { this.state = "aborted"; this.fail("aborted"); }
        fail(error) {
            this.dispatchEvent(Object.assign(new Event("error"), { error }));
            this.dispatchEvent(new Event("end"));
        }
        say(transcript, isFinal = true) {
            const result = Object.assign([{ transcript }], { isFinal });
            const event = Object.assign(new Event("result"), { results: [result], resultIndex: 0 });
            this.dispatchEvent(event);
        }
    }
    window.SpeechRecognition = Recognition;
"""


@pytest.fixture
def chat(browser: Browser, chat_site: Site) -> Iterator[Window]:
    with windows(browser, chat_site) as window:
        yield window


@pytest.fixture
def page(chat: Window, alice: User) -> Page:
    return listening(chat, alice)


def listening(chat: Window, user: User, size: Size = "desktop", scheme: Scheme = "light") -> Page:
    """A page of the chat after the microphone was pressed."""
    page = chat(user, size=size, scheme=scheme, locale="de-DE")
    page.add_init_script(RECOGNITION)
    page.goto("/ai-chat")
    page.get_by_role("button", name="Dictate").click()
    return page


def test_what_is_said_is_written_at_the_cursor(page: Page) -> None:
    message = page.get_by_label("Message")
    assert page.evaluate("heard.lang") == "de-DE"
    message.fill("Tell me a story.")
    message.evaluate("field => field.setSelectionRange(10, 15)")
    page.evaluate("heard.say('long', false)")
    expect(page.locator("#dictation")).to_have_text("Listening… long")
    expect(message).to_have_value("Tell me a story.")
    page.evaluate("heard.say('long tale')")
    expect(message).to_have_value("Tell me a long tale .")
    page.evaluate("heard.say('or two')")
    expect(message).to_have_value("Tell me a long tale or two .")


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_that_it_listens_is_seen_and_said_with_where_the_sound_may_go(
    chat: Window, alice: User, size: Size, scheme: Scheme
) -> None:
    page = listening(chat, alice, size, scheme)
    button = page.get_by_role("button", name="Dictate")
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#dictation")).to_contain_text(
        "Some browsers send the sound to their maker"
    )
    expect(page.locator("#progress")).to_contain_text("Listening…")
    axe(page)
    fits(page)
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#dictation")).to_be_hidden()
    expect(page.locator("#progress")).to_have_text("The dictation has ended.")


def test_escape_and_sending_end_it_and_nothing_comes_after(page: Page) -> None:
    page.keyboard.press("Escape")
    assert page.evaluate("heard.state") == "aborted"
    page.get_by_role("button", name="Dictate").click()
    page.evaluate("heard.say('Hello')")
    page.get_by_label("Message").press("Enter")
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    assert page.evaluate("heard.state") == "aborted"
    page.evaluate("heard.say('too late')")
    expect(page.get_by_label("Message")).to_have_value("")


def test_escape_ends_it_and_not_the_answer(chat: Window, page: Page) -> None:
    message = page.get_by_label("Message")
    message.fill("Go on [[tokens:600]] [[delay:0.1]]")
    message.press("Enter")
    expect(page.locator(".live .tail")).to_contain_text("word2")
    page.get_by_role("button", name="Dictate").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Dictate")).to_have_attribute("aria-pressed", "false")
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".receipt")).to_contain_text("stopped by you")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        ("not-allowed", "The browser does not allow the microphone here."),
        ("no-speech", "Nothing was heard."),
        ("unheard-of", "The dictation has failed."),
    ],
)
def test_what_goes_wrong_is_said(page: Page, error: str, sentence: str) -> None:
    page.evaluate("error => heard.fail(error)", error)
    expect(page.locator("#dictation")).to_contain_text(sentence)
    expect(page.locator("#progress")).to_contain_text(sentence)
    expect(page.get_by_role("button", name="Dictate")).to_have_attribute("aria-pressed", "false")


def test_a_browser_without_it_shows_no_button(chat: Window, alice: User) -> None:
    page = chat(alice)
    page.add_init_script("delete window.SpeechRecognition; delete window.webkitSpeechRecognition")
    page.goto("/ai-chat")
    expect(page.locator("#message")).to_be_visible()
    expect(page.get_by_role("button", name="Dictate")).to_have_count(0)
