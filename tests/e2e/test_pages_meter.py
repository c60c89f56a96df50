"""The meter in a real browser: it moves by itself, and says when a refund came."""

import re

import pytest
from playwright.sync_api import Page, Request, Response, Route, expect

from credits.ledger import release_charge
from credits.models import User
from tests.e2e.browser import CHANGED, Size, Window, axe, fits, wait_for_any
from tests.factories import make_charge

SIZES: list[Size] = ["desktop", "phone"]


def open_usage(window: Window, user: User, size: Size = "desktop") -> Page:
    page = window(user, size=size)
    page.clock.install()
    page.goto("/usage")
    return page


def balance_requests(page: Page) -> list[str]:
    """The addresses at which the page asks for the balance from now on."""
    asked: list[str] = []

    def note(request: Request) -> None:
        if "/balance" in request.url:
            asked.append(request.url)

    page.on("request", note)
    return asked


@pytest.mark.parametrize("size", SIZES)
def test_a_charge_made_elsewhere_shows_within_half_a_minute(
    window: Window, alice: User, size: Size
) -> None:
    page = open_usage(window, alice, size)
    expect(page.locator("#meter strong")).to_have_text("100")
    make_charge(alice, 7)
    page.clock.run_for(31_000)
    expect(page.locator("#meter strong")).to_have_text("93")
    fits(page)


def test_the_window_asks_when_it_is_looked_at_again(window: Window, alice: User) -> None:
    page = open_usage(window, alice)
    make_charge(alice, 7)
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    expect(page.locator("#meter strong")).to_have_text("93")


@pytest.mark.parametrize("size", SIZES)
def test_a_refund_flashes_green_and_is_said_once(window: Window, alice: User, size: Size) -> None:
    charge = make_charge(alice, 7, hold=True)
    page = open_usage(window, alice, size)
    expect(page.locator("#meter strong")).to_have_text("93")
    release_charge(charge_id=charge.id, reason="provider_error")
    page.evaluate(CHANGED)
    expect(page.locator("#meter strong")).to_have_text("100")
    expect(page.locator(".meter")).to_have_class(re.compile("refunded"))
    expect(page.locator("#said")).to_have_text("7 credits more: you have 100.")
    make_charge(alice)
    page.evaluate(CHANGED)
    expect(page.locator("#meter strong")).to_have_text("99")
    expect(page.locator(".meter")).not_to_have_class(re.compile("refunded"))


def test_what_has_not_changed_is_not_drawn_again(window: Window, alice: User) -> None:
    page = open_usage(window, alice)
    answers: list[int] = []

    def note(response: Response) -> None:
        if "/balance" in response.url:
            answers.append(response.status)

    page.on("response", note)
    page.evaluate("document.querySelector('.meter').marked = true")
    with page.expect_response("**/credits/balance*"):
        page.evaluate(CHANGED)
    assert answers == [204]
    assert page.evaluate("document.querySelector('.meter').marked")


def test_nobody_asks_while_the_tab_is_hidden(window: Window, alice: User) -> None:
    page = open_usage(window, alice)
    asked = balance_requests(page)
    page.evaluate("Object.defineProperty(document, 'hidden', {get: () => true})")
    page.clock.run_for(95_000)
    assert asked == []


def test_holds_and_low_credits_are_drawn(window: Window, alice: User) -> None:
    make_charge(alice, 91)
    make_charge(alice, 4, hold=True)
    page = open_usage(window, alice)
    expect(page.locator(".meter")).to_have_class(re.compile("low"))
    expect(page.locator("#meter")).to_contain_text("4 held")
    left = page.locator("#meter rect.left").bounding_box()
    held = page.locator("#meter rect.held").bounding_box()
    assert left and held
    assert held["x"] == pytest.approx(left["x"] + left["width"], abs=0.6)
    axe(page)


@pytest.mark.parametrize("size", SIZES)
def test_a_session_that_ended_elsewhere_says_so_in_its_place(
    window: Window, alice: User, size: Size
) -> None:
    window.allow("status of 401")
    page = open_usage(window, alice, size)
    page.context.clear_cookies()
    page.evaluate(CHANGED)
    expect(page.locator("#meter")).to_contain_text("Signed out")
    expect(page.locator("main h1")).to_have_text("Usage")
    expect(page.locator("#said")).to_have_text("You are signed out.")
    asked = balance_requests(page)
    page.clock.run_for(65_000)
    assert asked == []
    fits(page)
    axe(page)
    page.locator("#meter a").click()
    expect(page).to_have_url(re.compile("/sign-in"))


def test_the_link_of_the_meter_keeps_the_keyboard_through_a_change(
    window: Window, alice: User
) -> None:
    page = open_usage(window, alice)
    page.locator("#meter a").focus()
    make_charge(alice)
    page.evaluate(CHANGED)
    expect(page.locator("#meter strong")).to_have_text("99")
    expect(page.locator("#meter a")).to_be_focused()


def test_what_changes_while_the_meter_is_asked_for_is_not_missed(
    window: Window, alice: User
) -> None:
    page = open_usage(window, alice)
    asked: list[Route] = []
    page.route("**/credits/balance*", lambda r: r.continue_() if asked else asked.append(r))
    make_charge(alice)
    page.evaluate(CHANGED)
    wait_for_any(page, asked)
    stale = asked[0].fetch()
    make_charge(alice)
    page.evaluate(CHANGED)
    asked[0].fulfill(response=stale)
    expect(page.locator("#meter strong")).to_have_text("98")


def test_what_changes_as_the_meter_is_drawn_is_not_missed(window: Window, alice: User) -> None:
    page = open_usage(window, alice)
    page.evaluate("""document.addEventListener("htmx:afterSwap", () => setTimeout(() =>
        document.body.dispatchEvent(new CustomEvent("credits:changed", { bubbles: true }))),
        { once: true })""")
    asked: list[Route] = []
    page.route("**/credits/balance*", lambda r: r.continue_() if asked else asked.append(r))
    make_charge(alice)
    page.evaluate(CHANGED)
    wait_for_any(page, asked)
    stale = asked[0].fetch()
    make_charge(alice)
    asked[0].fulfill(response=stale)
    expect(page.locator("#meter strong")).to_have_text("98")
