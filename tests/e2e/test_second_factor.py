"""The second factor and the list of sessions in a real browser, on a desktop and on a phone."""

import re
from base64 import b32decode
from pathlib import Path

from playwright.sync_api import Page, expect

from credits.models import User
from tests.e2e.browser import Window, axe, fits
from tests.e2e.test_account import sign_in
from tests.factories import PASSWORD, add_second_factor, code_of

QR_DARK = """(image) => { const shown = image.getBoundingClientRect();
    return shown.width > 150 && Math.abs(shown.width - shown.height) < 2 }"""


def secret_on(page: Page) -> str:
    """The secret as people would type it into an app, in hexadecimal."""
    return b32decode(page.locator("code.secret").inner_text().replace(" ", "")).hex()


def set_up(page: Page) -> str:
    """Sets up an app at the page that offers one; returns its secret."""
    key = secret_on(page)
    page.get_by_label("Code", exact=True).fill(code_of(key))
    page.get_by_label("Current password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Turn it on").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Recovery codes")
    return key


def test_setting_up_an_app_and_signing_in_with_it(window: Window, alice: User) -> None:
    page = window(alice, size="phone")
    page.goto("/account")
    page.get_by_role("link", name="Set it up").click()
    assert page.get_by_role("img", name="QR code").locator("svg").evaluate(QR_DARK)
    axe(page)
    fits(page)
    key = set_up(page)
    axe(page)
    fits(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    codes = Path(download.value.path()).read_text().split()
    assert len(codes) == 10
    assert page.get_by_text(codes[9]).is_visible()
    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_text("signing in takes a code of your app")).to_be_visible()
    page.get_by_role("main").get_by_role("button", name="Sign out").click()

    sign_in(page, "alice@example.com", PASSWORD)
    expect(page.get_by_role("heading", level=1)).to_have_text("Your code")
    axe(page)
    fits(page)
    page.get_by_label("Code", exact=True).fill("000000")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("This code is not right")).to_be_visible()
    page.get_by_label("Code", exact=True).fill(code_of(key, steps=1))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/ai-chat$"))


def test_a_recovery_code_signs_in_without_scripts(window: Window, alice: User) -> None:
    page = window(alice, javascript=False)
    page.goto("/account/second-factor")
    set_up(page)
    code = page.locator(".codes code").first.inner_text()
    page.get_by_role("link", name="I have kept them").click()
    page.get_by_role("main").get_by_role("button", name="Sign out").click()
    sign_in(page, "alice@example.com", PASSWORD)
    page.get_by_label("Code", exact=True).fill(code)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile("/ai-chat$"))
    page.goto("/account/second-factor")
    expect(page.get_by_text("9 recovery codes left")).to_be_visible()


def test_changing_it_and_the_desks_question(window: Window, admin: User) -> None:
    app = add_second_factor(admin)
    page = window(admin, size="phone")
    page.goto("/admin/sign-ins")
    expect(page.get_by_role("heading", level=1)).to_have_text("Is it still you?")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Code", exact=True).fill(code_of(app.key))
    axe(page)
    fits(page)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign-ins")
    expect(page.get_by_role("cell", name="Confirmed that it is them")).to_be_visible()
    axe(page)
    fits(page)
    page.goto("/account/second-factor")
    axe(page)
    fits(page)
    page.get_by_label("Current password", exact=True).fill(PASSWORD)
    page.get_by_label("Code", exact=True).fill(code_of(app.key, steps=1))
    page.get_by_role("button", name="Remove the second factor").click()
    expect(page.get_by_text("The second factor is removed.")).to_be_visible()


def test_ending_the_session_of_another_device(window: Window, alice: User) -> None:
    phone = window(size="phone", user_agent="Mozilla/5.0 (Android 15; Mobile) Firefox/145.0")
    sign_in(phone, "alice@example.com", PASSWORD)
    expect(phone).to_have_url(re.compile("/ai-chat$"))
    page = window(size="phone")
    sign_in(page, "alice@example.com", PASSWORD)
    page.goto("/account")
    expect(page.get_by_text("this device", exact=True)).to_be_visible()
    expect(page.get_by_role("listitem").get_by_text("Signed in").first).to_be_visible()
    axe(page)
    fits(page)
    page.get_by_role("button", name="End the session of Firefox on Android").click()
    expect(page.get_by_text("That device is signed out.")).to_be_visible()
    expect(page.get_by_text("Firefox on Android", exact=True)).not_to_be_visible()
    phone.goto("/usage")
    expect(phone).to_have_url(re.compile("/sign-in"))
    page.goto("/usage")
    expect(page).to_have_url(re.compile("/usage$"))
