"""Images in a real browser: the price on the button, a refusal that is seen, the picture."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from credits.ledger import get_balance
from credits.models import User
from tests.e2e.browser import Size, Window, axe, fits, windows
from tests.e2e.pickers import choose_model
from tests.factories import make_model, set_price
from tests.live import Site

IMAGE = "ai_image_generation"


@pytest.fixture
def studio(browser: Browser, chat_site: Site) -> Iterator[Window]:
    """Windows on a site that paints through the fake provider."""
    with windows(browser, chat_site) as window:
        window.allow("409")
        yield window


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_a_price_that_rose_asks_again_and_then_is_what_is_paid(
    studio: Window, alice: User, size: Size
) -> None:
    page = studio(alice, size=size)
    page.goto("/images")
    page.get_by_label("How many").select_option("2")
    expect(page.get_by_role("button", name="Create 2 images 10 credits")).to_be_enabled()
    set_price("ai_image_generation", 6)
    page.get_by_label("Describe the image").fill("A lighthouse")
    page.get_by_role("button", name="Create 2 images").click()
    expect(page.get_by_role("alert")).to_contain_text("2 images cost 12 credits. Nothing was")
    expect(page.get_by_label("Describe the image")).to_have_value("A lighthouse")
    assert get_balance(user_id=alice.pk).remaining == 100
    fits(page)
    page.get_by_role("button", name="Create 2 images 12 credits").click()
    expect(page.get_by_label("Describe the image")).to_have_value("")
    expect(page.get_by_role("button", name="Create 2 images")).to_be_focused()
    expect(page.locator("#gallery img")).to_have_count(2)
    expect(page.locator("#gallery .receipt b")).to_have_text("12 credits")
    expect(page.locator("#meter strong")).to_have_text("88")
    expect(page.get_by_role("alert")).to_be_hidden()
    axe(page)


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_images_can_be_stopped_in_the_gallery(studio: Window, alice: User, size: Size) -> None:
    page = studio(alice, size=size)
    page.goto("/images")
    page.get_by_label("Describe the image").fill("A slow tree [[delay:30]]")
    page.get_by_role("button", name="Create 1 image").click()
    expect(page.locator("#gallery .receipt")).to_contain_text("5 credits held")
    axe(page)
    if size == "desktop":
        page.keyboard.press("Escape")
    else:
        page.get_by_role("button", name="Stop").click()
    expect(page.locator("#gallery .receipt")).to_contain_text("Refunded 5 credits")
    expect(page.locator("#gallery .receipt")).to_contain_text("stopped early")
    expect(page.locator("#meter strong")).to_have_text("100")
    fits(page)


@pytest.mark.parametrize("address", ["/images", "/ai-chat"])
def test_the_sizes_are_those_of_the_chosen_model(studio: Window, alice: User, address: str) -> None:
    make_model("any-size", feature=IMAGE)
    make_model("small-painter", feature=IMAGE, sizes=["512x512", "1024x1024"])
    page = studio(alice)
    page.goto(address)
    if address == "/ai-chat":
        page.locator(".seg label", has_text="Image").click()
    page.get_by_label("Size").select_option("Wide")
    choose_model(page, "small-painter", picker="Image model")
    expect(page.locator("#size option")).to_have_text(["512 × 512", "Square"])
    page.get_by_label("Size").select_option("512 × 512")
    page.get_by_label("How many").select_option("2")
    expect(page.get_by_role("button", name="Create 2 images")).to_be_visible()
    expect(page.get_by_label("Size")).to_have_value("512x512")
    axe(page)
