"""Accounts in a real browser, on a desktop and on a phone."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from credits.models import User
from tests.credits.users.conftest import link_in_letter, work
from tests.e2e.browser import Size, Window, axe, fits, windows
from tests.factories import PASSWORD
from tests.live import Site

SIZES: list[Size] = ["desktop", "phone"]
NEW = "a quite different staple"


def fill_in(page: Page, **fields: str) -> None:
    for label, value in fields.items():
        page.get_by_label(label.replace("_", " "), exact=False).first.fill(value)


def sign_in(page: Page, email: str, password: str) -> None:
    page.goto("/sign-in")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_signing_up_shows_the_welcome_credits_in_the_meter(window: Window) -> None:
    page = window(size="phone")
    page.goto("/")
    page.get_by_role("link", name=re.compile("Sign up")).first.click()
    page.get_by_label("E-mail").fill("new@example.com")
    page.get_by_label("Password", exact=True).fill("password")
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_text("This password is too common.")).to_be_visible()
    expect(page.get_by_label("E-mail")).to_have_value("new@example.com")
    axe(page)
    password = page.get_by_label("Password", exact=True)
    password.fill(PASSWORD)
    page.get_by_role("button", name="Show the password").click()
    expect(password).to_have_attribute("type", "text")
    page.get_by_role("button", name="Sign up").click()
    expect(page).to_have_url(re.compile("/ai-chat$"))
    expect(page.locator("#meter strong")).to_have_text("50")
    fits(page)


def test_signing_in_wrongly_then_rightly(window: Window, alice: User) -> None:
    page = window(size="phone")
    page.goto("/usage?kind=grant")
    expect(page).to_have_url(re.compile("/sign-in"))
    page.get_by_label("E-mail").fill("alice@example.com")
    page.get_by_label("Password", exact=True).fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("do not belong together")
    axe(page)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/usage\?kind=grant$"))
    expect(page.locator("#meter strong")).to_have_text("100")


@pytest.fixture
def mailing(browser: Browser, keep_site: Callable[..., Site], settings: Any) -> Iterator[Window]:
    """Windows on a site with mail; nobody answers where its worker would deliver."""
    settings.MAIL_CONFIGURED = True
    site = keep_site(EMAIL_URL="smtp://127.0.0.1:9")
    with windows(browser, site) as opened:
        yield opened


def test_guessing_closes_the_door_and_a_new_password_opens_it(mailing: Window, alice: User) -> None:
    window = mailing
    window.allow("status of 429")
    page = window()
    for _ in range(5):
        sign_in(page, "alice@example.com", "a guess")
    expect(page.get_by_role("heading")).to_have_text("Too many wrong passwords")
    axe(page)
    fits(page)
    page.get_by_role("link", name="Reset the password").click()
    page.get_by_label("E-mail").fill("alice@example.com")
    page.get_by_role("button", name="Send the link").click()
    expect(page.get_by_role("heading")).to_have_text("Check your mail")
    axe(page)
    work()
    link = link_in_letter("reset")
    page.goto(link)
    page.get_by_label("New password").fill(NEW)
    axe(page)
    page.get_by_role("button", name="Save the password").click()
    expect(page.get_by_role("heading")).to_have_text("Your password is changed")
    sign_in(page, "alice@example.com", NEW)
    expect(page).to_have_url(re.compile("/ai-chat$"))
    page.goto(link)
    expect(page.get_by_role("heading")).to_have_text("This link is spent")


def test_signing_up_by_letter(mailing: Window) -> None:
    page = mailing(size="phone")
    page.goto("/sign-up")
    page.get_by_label("E-mail").fill("new@example.com")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_role("heading")).to_have_text("Look into your mail")
    axe(page)
    work()
    page.goto(link_in_letter("sign-up"))
    axe(page)
    page.get_by_role("button", name="It is mine").click()
    expect(page).to_have_url(re.compile("/ai-chat$"))
    expect(page.locator("#meter strong")).to_have_text("50")


def test_a_new_address_by_letter(mailing: Window, alice: User) -> None:
    page = mailing(alice, size="phone")
    page.goto("/account")
    page.get_by_label("E-mail").fill("new@example.com")
    page.get_by_label("Password (only").fill(PASSWORD)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("A letter is on its way to new@example.com.")).to_be_visible()
    expect(page.get_by_role("button", name="Send the letter again")).to_be_visible()
    axe(page)
    fits(page)
    work()
    page.goto(link_in_letter("prove"))
    page.get_by_role("button", name="It is mine").click()
    page.goto("/account")
    expect(page.get_by_label("E-mail")).to_have_value("new@example.com")


def test_without_mail_the_page_says_whom_to_ask(window: Window) -> None:
    page = window(size="phone")
    page.goto("/password-reset")
    expect(page.get_by_text("This site sends no mail.")).to_be_visible()
    axe(page)
    fits(page)


def test_changing_the_password_signs_the_other_device_out(window: Window, alice: User) -> None:
    other = window(alice)
    other.goto("/usage")
    page = window(alice, size="phone")
    page.goto("/account/password")
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_label("New password").fill(NEW)
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_text("Other devices are signed out.")).to_be_visible()
    axe(page)
    page.get_by_role("button", name="Dismiss").click()
    expect(page.get_by_text("Other devices are signed out.")).not_to_be_visible()
    other.reload()
    expect(other).to_have_url(re.compile("/sign-in"))


@pytest.mark.parametrize("size", SIZES)
def test_signing_out_from_the_rail(window: Window, alice: User, size: Size) -> None:
    page = window(alice, size=size)
    page.goto("/pricing")
    if size == "phone":
        page.get_by_role("button", name="Menu", exact=True).click()
        axe(page)
    page.get_by_role("complementary").get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/$"))
    page.goto("/usage")
    expect(page).to_have_url(re.compile("/sign-in"))


def test_the_menu_of_a_phone_works_by_keyboard_and_without_scripts(
    window: Window, alice: User
) -> None:
    for javascript in (True, False):
        page = window(alice, size="phone", javascript=javascript)
        page.goto("/pricing")
        rail = page.get_by_role("complementary")
        expect(rail).not_to_be_visible()
        page.get_by_role("button", name="Menu", exact=True).focus()
        page.keyboard.press("Enter")
        expect(rail).to_be_visible()
        # The brand and, with scripts, the command palette come first.
        for _ in range(3 if javascript else 2):
            page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Close the menu")).to_be_focused()
        page.keyboard.press("Escape")
        expect(rail).not_to_be_visible()


def test_everything_about_accounts_works_without_scripts(window: Window) -> None:
    page = window(javascript=False)
    page.goto("/sign-up")
    page.get_by_label("E-mail").fill("new@example.com")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    expect(page).to_have_url(re.compile("/ai-chat$"))
    page.goto("/account")
    page.get_by_label("Name").fill("Newcomer")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Your account is saved.")).to_be_visible()
    page.get_by_role("main").get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/$"))


def test_a_keyboard_reaches_the_content_first(window: Window, alice: User) -> None:
    page = window(alice)
    page.goto("/usage")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
