"""Choosing a model: by keyboard, with a search, and remembered."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from ai_chat.models import ChatPreferences
from credits.models import User
from tests.ai_chat.turns import text_model
from tests.e2e.browser import LOOKS, Scheme, Size, Window, axe, fits, windows
from tests.e2e.pickers import choose_model
from tests.e2e.test_chat import send
from tests.factories import make_model, make_plan
from tests.live import Site


@pytest.fixture
def chat(browser: Browser, chat_site: Site) -> Iterator[Window]:
    """Windows on a site that answers through the fake provider."""
    with windows(browser, chat_site) as window:
        window.allow("40[029]")
        yield window


def make_many(count: int = 9) -> None:
    """Models besides the first, which can different things."""
    known = text_model().provider_model
    for number in range(1, count + 1):
        make_model(
            f"model-{number}",
            label=f"Océan {number}",
            provider_model=known,
            reads_images=number == 2,
            uses_tools=number in {2, 3},
            reasons=number == 3,
            context_tokens=128_000,
            price_factor=number,
        )


def options(page: Page) -> Any:
    return page.get_by_role("option")


def active(page: Page) -> Any:
    """The option that Enter would choose, as assistive technology is told of it."""
    return page.locator(
        "#" + (page.evaluate("document.activeElement.getAttribute('aria-activedescendant')") or "-")
    )


def test_a_model_is_chosen_by_keyboard_alone(chat: Window, alice: User) -> None:
    make_many()
    page = chat(alice)
    page.goto("/ai-chat")
    button = page.get_by_role("button", name="Model: SmolLM2 135M")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("combobox", name="Search models")).to_be_focused()
    expect(options(page)).to_have_count(10)
    expect(active(page)).to_have_attribute("aria-selected", "true")
    for key, label in [
        ("ArrowDown", "Océan 1"), ("End", "Océan 9"), ("ArrowDown", "SmolLM2 135M"),
        ("ArrowUp", "Océan 9"), ("Home", "SmolLM2 135M"),
    ]:  # fmt: skip
        page.keyboard.press(key)
        expect(active(page)).to_contain_text(label)
    page.keyboard.type("tools oce")
    expect(options(page)).to_have_count(2)
    expect(page.locator(".picker-count:visible")).to_have_text("2 models")
    page.keyboard.press("ArrowDown")
    expect(active(page)).to_contain_text("uses tools · reasons · context of 128,000 tokens")
    axe(page)
    page.keyboard.press("Enter")
    chosen = page.get_by_role("button", name="Model: Océan 3")
    expect(chosen).to_be_focused()
    expect(page.get_by_role("button", name=re.compile("^Send"))).to_have_text(
        re.compile("3 credits")
    )
    page.keyboard.press("Enter")
    page.keyboard.type("nothing is called that")
    expect(page.locator(".picker-count:visible")).to_have_text("0 models")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(chosen, "Escape changes nothing.").to_be_focused()
    expect(page.locator("#model")).to_have_value("model-3")


def test_a_choice_without_sending_is_remembered_for_the_chat_and_for_new_ones(
    chat: Window, alice: User
) -> None:
    make_many(2)
    page = chat(alice)
    page.goto("/ai-chat")
    send(page, "With the first")
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    first = page.url
    page.goto("/ai-chat")
    with page.expect_response("**/ai-chat/model"):
        choose_model(page, "Océan 1")
    page.reload()
    expect(page.get_by_role("button", name="Model: Océan 1")).to_be_visible()
    page.goto(first)
    expect(page.get_by_role("button", name="Model: SmolLM2 135M")).to_be_visible()
    with page.expect_response("**/ai-chat/model"):
        choose_model(page, "Océan 2")
    page.reload()
    expect(page.get_by_role("button", name="Model: Océan 2")).to_be_visible()
    assert ChatPreferences.objects.get().text_model == "model-2"


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_few_are_a_list_with_the_plan_that_one_needs(
    chat: Window, alice: User, size: Size, scheme: Scheme
) -> None:
    make_many(2)
    make_model("large", label="Large", least_plan=make_plan("cplan_pro", credits=1000))
    page = chat(alice, size=size, scheme=scheme)
    page.goto("/ai-chat")
    page.get_by_role("button", name="Model: ").click()
    expect(page.get_by_role("listbox", name="Model")).to_be_focused()
    page.keyboard.type("la")
    expect(active(page)).to_contain_text("Large with Pro")
    page.keyboard.press("Enter")
    expect(options(page).last, "It cannot be chosen.").to_be_visible()
    link = page.get_by_role("link", name="See the plans").locator("visible=true")
    expect(link).to_have_attribute("href", "/pricing")
    axe(page)
    fits(page)
    sheet = page.locator("#model-sheet").bounding_box()
    window = page.viewport_size
    assert sheet
    assert window
    assert sheet["x"] >= 0 <= sheet["y"]
    assert sheet["x"] + sheet["width"] <= window["width"]
    assert sheet["y"] + sheet["height"] <= window["height"]
    page.keyboard.press("Escape")
    expect(page.locator("#model")).to_have_value("smollm2-135m")


def test_without_scripts_it_is_the_browser_s_own_list(chat: Window, alice: User) -> None:
    make_many(1)
    page = chat(alice, javascript=False)
    page.goto("/ai-chat")
    expect(page.locator(".picker-button").first).to_be_hidden()
    page.locator("#model").select_option("model-1")
    send(page, "Hello")
    expect(page.locator(".receipt b")).to_have_text("1 credit")
    expect(page.locator("#model")).to_have_value("model-1")
    page.goto("/ai-chat")
    expect(page.locator("#model")).to_have_value("model-1")
