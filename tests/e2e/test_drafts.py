"""Drafts and long texts where the browser, the connection or another tab is in the way."""

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from credits.models import User
from tests.e2e.browser import Window, windows
from tests.e2e.test_composer import sign_in_elsewhere, sign_out_elsewhere, write
from tests.live import Site
from tests.waiting import wait_for


@pytest.fixture
def chat(browser: Browser, chat_site: Site) -> Iterator[Window]:
    with windows(browser, chat_site) as window:
        window.allow("40[013]")
        yield window


def draft_of(page: Page) -> str:
    """The text of the page's draft as it is kept."""
    kept = page.evaluate(
        "localStorage.getItem(`draft:${document.body.dataset.user}:${location.pathname}`)"
    )
    return str(json.loads(kept)["text"]) if kept else ""


@pytest.mark.parametrize("path", ["/ai-chat", "/images"])
def test_pages_work_in_a_browser_that_keeps_nothing(chat: Window, alice: User, path: str) -> None:
    page = chat(alice)
    for name in ("localStorage", "sessionStorage"):
        page.add_init_script(
            f"Object.defineProperty(window, '{name}', {{get() {{ throw new Error('no') }}}})"
        )
    page.goto(path)
    page.locator("#message").fill("Kept nowhere")
    page.locator("#message").press("Enter")
    expect(page.locator(".receipt b")).to_have_text(re.compile("^[15] credits?$"))
    expect(page.locator("#message")).to_have_value("")


def test_a_text_with_a_million_blanks_is_counted_at_once(chat: Window, alice: User) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    page.evaluate("""() => {
        const field = document.getElementById("message");
        field.value = "a" + " ".repeat(1_000_000) + "b";
        field.dispatchEvent(new Event("input", { bubbles: true }));
    }""")
    expect(page.locator("#count")).to_have_text("-992,002 characters left")


def test_drafts_are_kept_again_after_signing_out_and_in_elsewhere(
    chat: Window, alice: User
) -> None:
    page = chat(alice)
    page.goto("/ai-chat")
    write(page, "Before")
    sign_out_elsewhere(page)
    assert draft_of(page) == ""
    sign_in_elsewhere(page, alice)
    write(page, "Afterwards")
    wait_for(lambda: draft_of(page) == "Afterwards", "the draft to be kept")
