"""What pages ask for by themselves, while the site is away and after the session has ended."""

import re

from playwright.sync_api import Page, expect

from credits.models import Session, User
from tests.e2e.browser import Window, axe, count_signs, expect_sign, fits
from tests.lossy import Network


def paint(page: Page, prompt: str) -> None:
    """Images on their way, and the draft of the next ones."""
    page.goto("/images")
    page.get_by_label("Describe the image").fill(prompt)
    page.get_by_role("button", name="Create 1 image").click()
    expect(page.locator("#gallery .receipt")).to_contain_text("5 credits held")
    page.get_by_label("Describe the image").fill("The next one")


def test_a_card_waits_for_a_site_that_is_away_and_goes_on(
    lossy_window: Window, wire: Network, alice: User
) -> None:
    page = lossy_window(alice, size="phone")
    paint(page, "A tree [[delay:4]]")
    wire.go_away()
    expect(page.locator("#gallery .lost")).to_have_text("Reconnecting…")
    axe(page)
    fits(page)
    wire.open()
    expect(page.locator("#gallery .receipt b")).to_have_text("5 credits")
    expect(page.locator("#gallery .lost")).to_have_count(0)
    expect(page.get_by_label("Describe the image")).to_have_value("The next one")


def test_a_card_whose_connection_stands_still_asks_anew(
    lossy_window: Window, wire: Network, alice: User
) -> None:
    page = lossy_window(alice)
    paint(page, "A tree [[delay:4]]")
    count_signs(page)
    wire.delay = 60
    expect_sign(page, "Reconnecting…")
    wire.delay = 0
    expect(page.locator("#gallery .receipt b")).to_have_text("5 credits")


def test_a_card_of_somebody_signed_out_says_so_and_stops(lossy_window: Window, alice: User) -> None:
    page = lossy_window(alice, size="phone")
    paint(page, "A tree [[delay:6]]")
    Session.objects.all().delete()
    sign = page.locator("#gallery .lost")
    expect(sign).to_contain_text("You are signed out. Sign in again")
    expect(page.locator("#meter")).to_contain_text("Signed out")
    expect(page.get_by_label("Describe the image")).to_have_value("The next one")
    expect(page).to_have_url(re.compile("/images$"))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(4000)
    assert asked == []
    axe(page)
    fits(page)
    lossy_window.sign_in(page.context, alice)
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    expect(page.locator("#gallery .receipt b")).to_have_text("5 credits")


def test_a_card_that_was_deleted_meanwhile_says_so_and_stops(
    lossy_window: Window, alice: User
) -> None:
    page = lossy_window(alice)
    page.route("**/images/requests/*", lambda route: route.fulfill(status=404))
    paint(page, "A tree [[delay:1]]")
    expect(page.locator("#gallery .lost")).to_have_text("This was deleted meanwhile.")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(4000)
    assert asked == []


def test_nothing_is_asked_for_while_the_tab_is_hidden(lossy_window: Window, alice: User) -> None:
    page = lossy_window(alice)
    paint(page, "A tree [[delay:2]]")
    page.evaluate("Object.defineProperty(document, 'hidden', {get: () => window.away ?? true})")
    page.wait_for_timeout(500)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(4000)
    assert asked == []
    page.evaluate("window.away = false")
    expect(page.locator("#gallery .receipt b")).to_have_text("5 credits")
